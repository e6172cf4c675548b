//! verify-service.
