//! From bytes on the wire to domain records: limits, decompression, formats, scrubbing.
