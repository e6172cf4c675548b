//! slipway-aws.
