//! What the files inside a file share: the limits, the bytes unpacked so far, and how deep they lie.

use std::cell::Cell;

use crate::{Limits, ParseError};

/// Handed from a file to those inside it, so that a bundle of bombs is bounded as one bomb is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'l> {
    pub(crate) limits: &'l Limits,
    inflated: &'l Cell<u64>,
    depth: u64,
}

impl<'l> Scope<'l> {
    /// That of the file that was uploaded; `inflated` counts for it and all inside it.
    pub(crate) fn new(limits: &'l Limits, inflated: &'l Cell<u64>) -> Self {
        Self { limits, inflated, depth: 0 }
    }

    /// That of the files inside.
    ///
    /// # Errors
    /// `TooLarge` for files in files in files beyond the limit.
    pub(crate) fn inside(self) -> Result<Self, ParseError> {
        if self.depth >= self.limits.max_file_depth {
            return Err(ParseError::TooLarge { limit: "max_file_depth", allowed: self.limits.max_file_depth });
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// Counts bytes that were unpacked.
    ///
    /// # Errors
    /// `TooLarge` when all archives together gave more than allowed.
    pub(crate) fn inflated(self, bytes: u64) -> Result<(), ParseError> {
        let total = self.inflated.get().saturating_add(bytes);
        self.inflated.set(total);
        let allowed = self.limits.max_zip_total_bytes;
        if total > allowed {
            return Err(ParseError::TooLarge { limit: "max_zip_total_bytes", allowed });
        }
        Ok(())
    }
}
