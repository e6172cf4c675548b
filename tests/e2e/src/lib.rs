//! slipway-e2e.
