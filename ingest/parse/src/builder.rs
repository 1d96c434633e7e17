//! Puts blocks together into a document, so that no format has to keep ranges right by itself.
