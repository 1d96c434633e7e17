//! Placeholder until the suite below is written.
