//! Forms, as browsers send them.

use lambda_http::Request;
use lambda_http::http::header::CONTENT_TYPE;

/// The longest body that is read, in bytes: a form's few fields, and a reason of its longest length.
const LONGEST_BODY: usize = 8 * 1024;

/// Why a body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoForm {
    /// It is not what a browser's form sends.
    WrongContentType,
    /// It is longer than a form can be.
    TooLong,
}

/// The body of a form.
///
/// # Errors
///
/// [`NoForm`], where the request is none.
pub fn form_of(request: &Request) -> Result<&[u8], NoForm> {
    let content_type =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(NoForm::WrongContentType);
    }
    let body: &[u8] = request.body();
    if body.len() > LONGEST_BODY {
        return Err(NoForm::TooLong);
    }
    Ok(body)
}
