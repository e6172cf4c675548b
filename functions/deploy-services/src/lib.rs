//! deploy-services.
