//! The token service: `/oauth2/token` and `/oauth2/exchange`, as Docker's token authentication and Azure
//! Container Registry have them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header, request};
use axum::routing::{get, post};
use axum::{Router, body};
use serde_json::{Value, json};

use super::accounts::Kind;
use super::challenge::{Fault, Refuser};
use super::gate::{Access, Shown, address, shown};
use super::login::{Login, Refusal};
use super::signing::{REFRESH_LIFETIME, Signed, Subject};
use crate::options::Challenge;
use crate::response::{ApiError, ApiResponse, json_response, set_user, shortened};

/// The largest form that is read, in bytes.
const MAX_FORM: usize = 64 * 1024;

/// The token service.
pub(crate) fn router(access: Arc<Access>) -> Router {
    Router::new()
        .route("/oauth2/token", get(get_token).post(post_token))
        .route("/oauth2/exchange", post(exchange))
        .with_state(access)
}

/// Parameters of a query or a form, of which each may come several times.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    fn all(&self, name: &'static str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    fn get(&self, name: &'static str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn require(&self, name: &'static str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| invalid(format!("the form has no {name}")))
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
}

/// What is answered, and to whom, if that is known.
struct Given {
    user: Option<String>,
    value: Value,
}

async fn read_form(request: Request) -> Result<(request::Parts, Parameters), ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::to_bytes(body, MAX_FORM).await;
    let bytes =
        bytes.map_err(|_| invalid(format!("the form is cut off or has more than {MAX_FORM} bytes")))?;
    Ok((parts, Parameters::parse(&bytes)))
}

/// `GET /oauth2/token?service=&scope=` with a name and password, or with nothing where anybody may pull.
async fn get_token(State(access): State<Arc<Access>>, request: Request) -> ApiResponse {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::parse(parts.uri.query().unwrap_or("").as_bytes());
    answer(async {
        let login = access.who(&parts).await?;
        if login.is_none() && access.strangers.anywhere().is_empty() {
            return Err(access.ask_for_password(&parts));
        }
        access.access_answer(&parts, login.as_ref(), &parameters, "password")
    })
    .await
}

/// `POST /oauth2/token` with a form: a refresh token, or a name and password.
async fn post_token(State(access): State<Arc<Access>>, request: Request) -> ApiResponse {
    answer(async {
        let (parts, form) = read_form(request).await?;
        let grant_type = form.require("grant_type")?;
        if access.is_open() {
            return access.access_answer(&parts, None, &form, grant_type);
        }
        let login = match grant_type {
            "refresh_token" => access.refresh(form.require("refresh_token")?).await,
            "password" => {
                access.login(address(&parts), form.require("username")?, form.require("password")?).await
            }
            other => {
                let message = format!("grant_type {other} is not known here: use refresh_token or password");
                return Err(invalid(message));
            }
        };
        let login = login.map_err(|refusal| access.password_refused(&parts, refusal))?;
        access.access_answer(&parts, Some(&login), &form, grant_type)
    })
    .await
}

/// `POST /oauth2/exchange` with a form: gives a refresh token for a name and password, or for another refresh
/// token, which is not prolonged by it. Azure takes tokens of its directory service here; there is none, so
/// `access_token` may hold a refresh token.
async fn exchange(State(access): State<Arc<Access>>, request: Request) -> ApiResponse {
    answer(async {
        let (parts, form) = read_form(request).await?;
        let now = access.clock.now();
        let mut expires_at = now / 1_000_000 + REFRESH_LIFETIME;
        let grant_type = form.require("grant_type")?;
        let login = match grant_type {
            "password" => {
                access.login(address(&parts), form.require("username")?, form.require("password")?).await
            }
            "refresh_token" | "access_token" | "access_token_refresh_token" => {
                let token = form.get("refresh_token").or(form.get("access_token"));
                let token = token.ok_or_else(|| invalid("the form has no refresh_token"))?;
                if let Some(claims) = access.signer.check_refresh(token, now) {
                    expires_at = claims.exp;
                }
                access.refresh(token).await
            }
            other => {
                let message = format!("grant_type {other} is not known here: use password or refresh_token");
                return Err(invalid(message));
            }
        };
        let login = login.map_err(|refusal| access.password_refused(&parts, refusal))?;
        let service = access.service(&parts, &form)?;
        let subject = subject(Some(&login), &service, grant_type);
        let token = access.signer.refresh_token(subject, now, expires_at);
        Ok(Given { user: Some(login.account.name.clone()), value: json!({ "refresh_token": token.text }) })
    })
    .await
}

impl Access {
    /// Who asks by the `Authorization` header; `None` for somebody who shows nothing.
    async fn who(&self, parts: &request::Parts) -> Result<Option<Login>, ApiError> {
        if self.is_open() {
            return Ok(None);
        }
        match shown(&parts.headers) {
            Shown::Nothing => Ok(None),
            Shown::Password { name, password } => {
                let login = self.login(address(parts), &name, &password).await;
                login.map(Some).map_err(|refusal| self.password_refused(parts, refusal))
            }
            Shown::Bearer(_) | Shown::Unreadable => Err(self.ask_for_password(parts)),
        }
    }

    /// The token service itself is asked with name and password.
    fn by_password(&self, parts: &request::Parts) -> Refuser {
        Refuser { challenge: Challenge::Basic, ..self.refuser(parts) }
    }

    fn ask_for_password(&self, parts: &request::Parts) -> ApiError {
        self.by_password(parts).challenge(None, Fault::Absent)
    }

    fn password_refused(&self, parts: &request::Parts, refusal: Refusal) -> ApiError {
        self.by_password(parts).refused(refusal)
    }

    /// The name that tokens are made for. One for another service would be of no use here, and whoever asks for it has
    /// come to the wrong place.
    fn service(&self, parts: &request::Parts, parameters: &Parameters) -> Result<String, ApiError> {
        let service = self.refuser(parts).reached.service;
        match parameters.get("service").filter(|asked| !asked.eq_ignore_ascii_case(&service)) {
            None => Ok(service),
            Some(asked) => {
                let asked = shortened(asked);
                Err(invalid(format!("there are no tokens for \"{asked}\" here: this is {service}")))
            }
        }
    }

    fn access_answer(
        &self,
        parts: &request::Parts,
        login: Option<&Login>,
        parameters: &Parameters,
        grant_type: &str,
    ) -> Result<Given, ApiError> {
        let service = self.service(parts, parameters)?;
        let scopes = self.grant(login, &parameters.all("scope"));
        let subject = subject(login, &service, grant_type);
        let Signed { text, issued_at, expires_at } =
            self.signer.access_token(subject, scopes, self.clock.now());
        let issued = jiff::Timestamp::from_second(issued_at).map(|time| time.to_string()).unwrap_or_default();
        // Clients that are not told how long a token is good for ask again after a minute.
        let value =
            json!({ "access_token": text, "expires_in": expires_at - issued_at, "issued_at": issued });
        Ok(Given { user: login.map(|login| login.account.name.clone()), value })
    }
}

fn subject<'a>(login: Option<&'a Login>, service: &'a str, grant_type: &'a str) -> Subject<'a> {
    match login {
        Some(login) => Subject {
            kind: login.account.kind,
            name: &login.account.name,
            hash: &login.hash,
            service,
            grant_type,
        },
        None => Subject { kind: Kind::Anonymous, name: "", hash: "", service, grant_type },
    }
}

/// Tokens must not be kept by caches on the way.
async fn answer(answer: impl Future<Output = Result<Given, ApiError>>) -> ApiResponse {
    let mut response = match answer.await {
        Ok(given) => {
            let mut response = json_response(StatusCode::OK, &given.value);
            set_user(&mut response, given.user);
            response
        }
        Err(error) => error.into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
