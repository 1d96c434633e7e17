//! What every adapter must do, as one suite.
