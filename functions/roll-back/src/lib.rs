//! roll-back.
