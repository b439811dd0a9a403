//! From records to a drawing: lanes, scales, ticks, SVG. No IO and no clock.
