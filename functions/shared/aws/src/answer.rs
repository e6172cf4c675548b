//! An answer of AWS as it came, beside what the SDK reads of it.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

use crate::AwsError;

/// Keeps the JSON of the answer to the call that it is given to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer(Arc<Mutex<Vec<u8>>>);

impl Answer {
    /// A field of the answer.
    pub(crate) fn field(&self, operation: &'static str, name: &str) -> Result<Value, AwsError> {
        let body =
            self.0.lock().map_err(|_| AwsError::unusable(operation, "an answer that could not be kept"))?;
        let mut answer: Value = serde_json::from_slice(&body)
            .map_err(|error| AwsError::unusable(operation, error.to_string()))?;
        answer
            .get_mut(name)
            .map(Value::take)
            .ok_or_else(|| AwsError::unusable(operation, format!("an answer without {name}")))
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(bytes), Ok(mut kept)) = (context.response().body().bytes(), self.0.lock()) {
            *kept = bytes.to_vec();
        }
        Ok(())
    }
}
