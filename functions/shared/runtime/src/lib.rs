//! slipway-runtime.
