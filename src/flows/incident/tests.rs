//! A postmortem moves on step by step, and nobody writes over what somebody else has not read.
