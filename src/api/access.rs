//! Who may ask what: bearer tokens with roles. Without any, whoever reaches the server may read and
//! command, and nobody sees subscribers' numbers.
//!
//! Not here: who may use the link of a mail (`links`: the link itself says so).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;
use crate::api::router::Edge;
use crate::event::CITY;

/// Shortest token, characters: 16 of 64 kinds are 96 bits.
pub const TOKEN_CHARS_MIN: usize = 16;

/// What somebody may do beside reading, which every token may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Read, and nothing else.
    Reader,
    /// Send events, receipts and contacts.
    Producer,
    /// Move triggers, hand them over, acknowledge them.
    Operator,
    /// See subscribers' numbers.
    Subscribers,
    /// Everything but to see subscribers' numbers: reload rules, send dead letters again.
    Administrator,
}

impl Role {
    /// The name in the configuration and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Producer => "producer",
            Role::Operator => "operator",
            Role::Subscribers => "subscribers",
            Role::Administrator => "administrator",
        }
    }
}

/// One token.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whose it is: what is done with it is done in this name.
    pub name: String,
    /// SHA-256 of the token: the token itself is nowhere in the process.
    pub sha256: [u8; 32],
    /// What it may do.
    pub roles: Vec<Role>,
    /// Departments whose triggers it may move; all where it names none.
    pub departments: Vec<String>,
    /// Cities whose objects it sees; all where it names none.
    pub cities: Vec<String>,
}

/// Every token; empty for a server that is open.
#[derive(Clone, Debug, Default)]
pub struct Access {
    grants: Vec<Arc<Grant>>,
}

/// Who asks; nobody by name where the server is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(Option<Arc<Grant>>);

/// SHA-256 of a token.
pub fn sha256(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Access {
    /// Access by these tokens.
    pub fn of(grants: Vec<Grant>) -> Access {
        Access {
            grants: grants.into_iter().map(Arc::new).collect(),
        }
    }

    /// Whether anybody may read and command.
    pub fn is_open(&self) -> bool {
        self.grants.is_empty()
    }

    /// Tokens that there are.
    pub fn tokens(&self) -> usize {
        self.grants.len()
    }

    pub(super) fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        if self.is_open() {
            return Some(Caller::default());
        }
        // Digests are compared, so how long it takes says nothing of a token.
        let digest = sha256(&token_of(headers)?);
        let grant = self.grants.iter().find(|grant| grant.sha256 == digest)?;
        Some(Caller(Some(Arc::clone(grant))))
    }
}

impl Caller {
    /// Whether the caller has a role.
    pub(crate) fn has(&self, role: Role) -> bool {
        let Some(grant) = &self.0 else {
            return role != Role::Subscribers;
        };
        let is_above = role != Role::Subscribers && grant.roles.contains(&Role::Administrator);
        role == Role::Reader || is_above || grant.roles.contains(&role)
    }

    /// In whose name something is done: the token's, or, where the server is open, the one given.
    pub(crate) fn actor(&self, given: Option<&str>) -> Result<Option<String>, ApiError> {
        let Some(grant) = &self.0 else {
            return Ok(given.map(str::to_owned));
        };
        match given.map(str::trim) {
            Some(given) if given != grant.name => Err(forbidden(format!(
                "the token is of {:?}, the body says {given:?}: leave actor out",
                grant.name
            ))),
            _ => Ok(Some(grant.name.clone())),
        }
    }

    /// The caller's name; `anonymous` where the server is open.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().map_or("anonymous", |grant| &grant.name)
    }

    /// The name of the caller's token; none where the server is open.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.as_ref().map(|grant| grant.name.as_str())
    }

    /// Whether the caller sees one city, or some, and not the whole.
    pub(crate) fn is_of_cities(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|grant| !grant.cities.is_empty())
    }

    /// The cities that the caller sees; none who sees the whole.
    pub(crate) fn cities(&self) -> Option<&[String]> {
        let grant = self.0.as_ref().filter(|_| self.is_of_cities())?;
        Some(&grant.cities)
    }

    /// Refuses a city that is not the caller's: to show nothing of it would read as if there were nothing.
    pub(crate) fn check_city(&self, city: Option<&str>) -> Result<(), ApiError> {
        if city.is_none_or(|city| self.sees(Some(city))) {
            return Ok(());
        }
        Err(self.of_others())
    }

    /// The city that is asked for, where one question is of one city: who sees one means that one.
    pub(crate) fn city(&self, asked: Option<String>) -> Result<Option<String>, ApiError> {
        self.check_city(asked.as_deref())?;
        match (asked, self.cities()) {
            (Some(city), _) => Ok(Some(city)),
            (None, None) => Ok(None),
            (None, Some([one])) => Ok(Some(one.clone())),
            (None, Some(_)) => Err(self.of_others()),
        }
    }

    fn of_others(&self) -> ApiError {
        let cities = self.cities().unwrap_or_default().join(", ");
        let name = self.name();
        forbidden(format!(
            "the token of {name:?} is for {cities}: ask for one of these"
        ))
    }

    /// Whether the caller may see what is of this city; what is of none, or of many, is for those who see all.
    pub(crate) fn sees(&self, city: Option<&str>) -> bool {
        let Some(grant) = self.0.as_ref().filter(|_| self.is_of_cities()) else {
            return true;
        };
        city.is_some_and(|city| grant.cities.iter().any(|own| own == city))
    }

    /// Whether the caller may see an object of these dimensions.
    pub(crate) fn sees_group(&self, group: &[(String, String)]) -> bool {
        let city = group.iter().find(|(name, _)| name == CITY);
        self.sees(city.map(|(_, city)| city.as_str()))
    }

    /// Refuses whom another department's trigger does not concern.
    pub(crate) fn check_department(&self, department: &str) -> Result<(), ApiError> {
        let grant = self.0.as_ref();
        let Some(grant) = grant.filter(|grant| !grant.departments.is_empty()) else {
            return Ok(());
        };
        if grant.departments.iter().any(|own| own == department) {
            return Ok(());
        }
        Err(forbidden(format!(
            "the trigger is with {department}, the token of {:?} is for {}",
            grant.name,
            grant.departments.join(", ")
        )))
    }
}

/// The token of a request: `Bearer`, or the password of `Basic`, which is all that browsers have.
fn token_of(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = given.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    Some(plain.split_once(':')?.1.to_owned())
}

/// The route of mails' links.
const ACTIONS: &str = "/actions/{token}";
/// Routes that refuse another city than the caller's.
const COUNTS: &str = "/v1/complaints/trees/{id}/counts";
const FRONTLINE: &str = "/v1/frontline/{service}";

/// The role that a route needs; none for those that anybody may ask: supervisors, and links of mails.
pub(super) fn role_for(method: &Method, path: &str) -> Option<Role> {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match path {
        "/ready" | "/healthz" | ACTIONS => None,
        // Asked by a body, so that the number is in no log; what is answered is by the caller's roles.
        "/v1/subscribers/messages" => Some(Role::Reader),
        _ if is_read => Some(Role::Reader),
        "/v1/events" | "/mm7" | "/v1/complaints" | "/v1/complaints/full" => Some(Role::Producer),
        path if path.starts_with("/v1/triggers/") || path.starts_with("/v1/complaints/") => {
            Some(Role::Operator)
        }
        _ => Some(Role::Administrator),
    }
}

/// Routes that show a caller of some cities no more than theirs; all others are for those who see the whole.
const OF_CITIES: [&str; 21] = [
    "/v1/events",
    "/v1/kqis",
    "/v1/kqis/{id}/windows",
    "/v1/alerts",
    "/v1/alerts/{incident}",
    "/v1/triggers",
    "/v1/triggers/{id}",
    "/triggers/{id}",
    "/v1/complaints",
    "/v1/complaints/forms",
    "/v1/complaints/forms/{id}",
    "/v1/complaints/trees",
    "/v1/complaints/trees/{id}",
    COUNTS,
    FRONTLINE,
    "/v1/complaints/tickets/{id}",
    "/v1/complaints/tickets/{id}/confirmation",
    "/v1/complaints/tickets/{id}/closing",
    "/v1/subscribers/messages",
    "/v1/rules/schema",
    "/v1/openapi.json",
];

/// Why somebody was sent away: labels of a metric.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// No token was given.
    NoToken,
    /// The token is nobody's.
    UnknownToken,
    /// The token's owner may not do that.
    Role,
    /// The token is for some cities, and the route shows more.
    City,
    /// The route knows more: another department's trigger, another name than the token's.
    Department,
    /// The link of a mail is none of ours.
    ForgedLink,
}

impl Refused {
    const fn name(self) -> &'static str {
        match self {
            Refused::NoToken => "no_token",
            Refused::UnknownToken => "unknown_token",
            Refused::Role => "role",
            Refused::City => "city",
            Refused::Department => "department",
            Refused::ForgedLink => "forged_link",
        }
    }
}

/// What is known of a request besides who asks.
struct Asked {
    peer: Option<IpAddr>,
    method: Method,
    route: Option<MatchedPath>,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Asked {
            peer: peer.map(|ConnectInfo(address)| address.ip()),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }

    fn path(&self) -> &str {
        self.route.as_ref().map_or("", MatchedPath::as_str)
    }

    /// Whoever was refused is in the log and in the metrics; many within a minute are alerted (domain fact X4).
    fn record(&self, edge: &impl Edge, caller: &str, why: Refused) {
        let peer = self.peer.map(|peer| peer.to_string());
        tracing::warn!(
            peer = peer.as_deref().unwrap_or("unknown"),
            caller,
            method = %self.method,
            path = self.path(),
            reason = why.name(),
            "access refused"
        );
        edge.metrics().access_refused(why.name(), self.peer);
    }
}

/// Lets a request on with its caller, or sends it away.
pub(super) async fn guard<E: Edge>(
    State(edge): State<Arc<E>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&request);
    let caller = match caller_of(&*edge, &asked, request.headers()) {
        Ok(caller) => caller,
        Err(refused) => return *refused,
    };
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN {
        let why = match asked.path() {
            ACTIONS => Refused::ForgedLink,
            COUNTS | FRONTLINE => Refused::City,
            _ => Refused::Department,
        };
        asked.record(&*edge, caller.name(), why);
    }
    response
}

/// Who asks, if that one may; or the answer that sends him away, which is recorded.
fn caller_of(
    edge: &impl Edge,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Caller, Box<Response>> {
    let path = asked.path();
    let Some(role) = role_for(&asked.method, path) else {
        return Ok(Caller::default());
    };
    let Some(caller) = edge.access().caller(headers) else {
        let why = match headers.get(AUTHORIZATION) {
            Some(_) => Refused::UnknownToken,
            None => Refused::NoToken,
        };
        asked.record(edge, "", why);
        return Err(Box::new(unauthorized()));
    };
    let (why, words) = if caller.is_of_cities() && !OF_CITIES.contains(&path) {
        let words = format!(
            "the token of {:?} is for some cities, and this shows more",
            caller.name()
        );
        (Refused::City, words)
    } else if !caller.has(role) {
        let words = format!(
            "this needs the role {}, which the token of {:?} does not have",
            role.name(),
            caller.name()
        );
        (Refused::Role, words)
    } else {
        return Ok(caller);
    };
    asked.record(edge, caller.name(), why);
    Err(Box::new(forbidden(words).into_response()))
}

fn forbidden(words: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", words)
}

pub(super) fn unauthorized() -> Response {
    let words = "this needs a token: Authorization: Bearer …";
    let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", words);
    let mut response = error.into_response();
    // Browsers ask for a password, which is the token.
    let ways = HeaderValue::from_static("Bearer, Basic realm=\"chrysalis\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, ways);
    response
}

#[cfg(test)]
mod tests;
