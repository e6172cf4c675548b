//! capture-baseline.
