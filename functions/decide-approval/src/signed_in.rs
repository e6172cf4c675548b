//! Who is signed in, where the page asks for it (`sign_in` of infra/): API Gateway has verified the token, and hands over
//! its claims ("Control access to HTTP APIs with JWT authorizers in API Gateway", API Gateway developer guide).

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};
use slipway_core::name::EmailAddress;

/// Who asks, as far as the request proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignedIn {
    /// Nobody has to be: the link is all that is asked for.
    NotAsked,
    /// The person of this address, verified by who issued the token.
    As(EmailAddress),
    /// Somebody whose token names no address that was verified.
    Nameless,
}

impl SignedIn {
    pub(crate) fn of(request: &Request) -> Self {
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
            return Self::NotAsked;
        };
        let Some(jwt) = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref()) else {
            return Self::NotAsked;
        };
        // A claim that is no text comes as one; an issuer that verifies no addresses does not have this one.
        let verified = jwt.claims.get("email_verified").is_none_or(|verified| verified == "true");
        let address = jwt.claims.get("email").filter(|_| verified);
        address.and_then(|address| EmailAddress::new(address.as_str()).ok()).map_or(Self::Nameless, Self::As)
    }

    /// Whether a link of this person is theirs.
    pub(crate) fn may_use_link_of(&self, approver: &EmailAddress) -> bool {
        match self {
            Self::NotAsked => true,
            Self::As(person) => person == approver,
            Self::Nameless => false,
        }
    }

    /// The person in the audit's words; empty where nobody had to sign in.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::NotAsked => String::new(),
            Self::As(person) => format!("signed in as {person}"),
            Self::Nameless => "signed in without a verified address".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorizer: &str) -> Request {
        let event = format!(
            r#"{{"version":"2.0","routeKey":"GET /approvals/{{token}}","rawPath":"/approvals/x","rawQueryString":"","headers":{{"host":"a.example.com"}},
                "requestContext":{{{authorizer}"http":{{"method":"GET","path":"/approvals/x","protocol":"HTTP/1.1","sourceIp":"192.0.2.1","userAgent":""}},
                "accountId":"1","apiId":"a","domainName":"a.example.com","requestId":"1","routeKey":"GET /approvals/{{token}}","stage":"$default","timeEpoch":1}},"isBase64Encoded":false}}"#
        );
        lambda_http::request::from_str(&event).expect("an event of an HTTP API")
    }

    fn signed_in(claims: &str) -> SignedIn {
        SignedIn::of(&request(&format!(r#""authorizer":{{"jwt":{{"claims":{{{claims}}},"scopes":null}}}},"#)))
    }

    #[test]
    fn who_is_signed_in_is_who_the_issuer_verified() {
        let ana = EmailAddress::new("ana@example.com").expect("an address");
        assert_eq!(SignedIn::of(&request("")), SignedIn::NotAsked);
        for claims in [r#""email":"Ana@example.com""#, r#""email":"ana@example.com","email_verified":"true""#]
        {
            let person = signed_in(claims);
            assert_eq!(person, SignedIn::As(ana.clone()), "{claims}");
            assert!(person.may_use_link_of(&ana));
        }
        for claims in
            [r#""sub":"1""#, r#""email":"ana@example.com","email_verified":"false""#, r#""email":"ana""#]
        {
            let person = signed_in(claims);
            assert_eq!(person, SignedIn::Nameless, "{claims}");
            assert!(!person.may_use_link_of(&ana));
        }
        assert!(!signed_in(r#""email":"eve@example.com""#).may_use_link_of(&ana));
    }
}
