//! The judge: a deterministic fold over records in order of arrival. No IO and no clock.
