//! What may be asked over the control socket, and how it is answered: JSON-RPC 2.0, one object a
//! line.
//!
//! Parsing is pure and total: every line gives a request or a refusal that says what to do instead.
//! A request without `id` is a notification: it is done and not answered. Batches are refused.

use base64::{Engine, engine::general_purpose::STANDARD};
use planaria_stages::{ChaosPlan, Death, KillError, ScaleError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::job_calls::{self, JOB_METHODS, JobCall};
use crate::config::nearest;

/// The version of the protocol; it rises when a request or an answer changes its meaning.
pub const PROTOCOL_VERSION: u32 = 1;

/// Every method, as `nearest` knows them.
pub const METHODS: [&str; 9] =
    ["ping", "status", "events", "predict", "kill", "chaos", "scale", "autoscale", "stop"];

/// The methods of jobs stand in `job_calls`.
fn all_methods() -> impl Iterator<Item = &'static str> + Clone {
    METHODS.into_iter().chain(JOB_METHODS)
}

/// Events that one answer may hold.
pub const EVENTS_MAX: usize = 1000;

/// Pictures a `predict` may hold.
pub const IMAGES_MAX: usize = 256;

/// One line, understood.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// What the answer must carry; `None` is a notification, which gets no answer.
    pub id: Option<Value>,
    /// What to do, or why it is not done.
    pub call: Result<Call, Refusal>,
}

/// Everything a client may ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Who is there: version, process, limits.
    Ping,
    /// A moment of the pipeline.
    Status,
    /// What happened to actors and items.
    Events(EventsWanted),
    /// The classes of some pictures.
    Predict(Vec<Image>),
    /// The death of actors, now.
    Kill(KillOrder),
    /// Deaths at random, for a while.
    Chaos(ChaosPlan),
    /// Another number of workers for a stage.
    Scale(ScaleOrder),
    /// Workers that move to the bottleneck by themselves, or stay.
    Autoscale(AutoscaleOrder),
    /// A drain, and then the end.
    Stop,
    /// Something about jobs.
    Job(JobCall),
}

/// The parameters of `events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsWanted {
    /// The first number that is wanted.
    pub since: u64,
}

/// The parameters of `scale`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleOrder {
    /// `train`, say.
    pub stage: String,
    /// How many workers there are to be.
    pub workers: u16,
}

/// The parameters of `autoscale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoscaleOrder {
    /// Whether workers move.
    pub on: bool,
}

/// A picture as a client sends it: decoded from base64, not yet from its image format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What the client calls it; the answer repeats it.
    pub name: String,
    /// The bytes of an image file.
    pub data: Vec<u8>,
}

/// The parameters of `kill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillOrder {
    /// `train/1`, `train`, `supervisor` or `all`.
    pub target: String,
    /// The kind of death.
    #[serde(default = "stop")]
    pub how: Death,
}

/// An error object of JSON-RPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// A code of JSON-RPC (-32700 to -32600) or one of ours (-32001 and below).
    pub code: i64,
    /// What, where, and what to do.
    pub message: String,
}

impl Refusal {
    /// The line is no JSON.
    pub const PARSE: i64 = -32700;
    /// The line is JSON, but no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const UNKNOWN_METHOD: i64 = -32601;
    /// The parameters do not fit the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The line is longer than `control.line_bytes`.
    pub const TOO_LONG: i64 = -32001;
    /// No room for another client or another line just now.
    pub const BUSY: i64 = -32002;
    /// The client was too slow, or silent for too long.
    pub const TOO_SLOW: i64 = -32003;
    /// The socket obeys its owner only.
    pub const NOT_OWNER: i64 = -32004;
    /// The order names an actor that does not exist, or comes at a wrong moment.
    pub const KILL: i64 = -32005;
    /// The order names a stage that does not exist, or a number of workers that cannot be.
    pub const SCALE: i64 = -32006;
    /// There is no such job, or it is in no state for this, or the journal cannot be written.
    pub const JOB: i64 = -32007;
    /// This runtime does not do that, or has no pipeline in work just now.
    pub const NOT_HERE: i64 = -32008;

    /// A refusal with this code and message.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into() }
    }
}

impl From<KillError> for Refusal {
    fn from(error: KillError) -> Self {
        Refusal::new(Refusal::KILL, error.to_string())
    }
}

impl From<ScaleError> for Refusal {
    fn from(error: ScaleError) -> Self {
        Refusal::new(Refusal::SCALE, error.to_string())
    }
}

/// Understands one line, without its line feed.
///
/// # Errors The refusal to answer with `id: null` when the line is no request at all. A request
/// that is one, but asks for something impossible, comes back with its `id` and the refusal inside.
pub fn parse(line: &[u8]) -> Result<Request, Refusal> {
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        let message = format!("no JSON: {error}: send one JSON-RPC 2.0 object a line");
        Refusal::new(Refusal::PARSE, message)
    })?;
    let invalid = |message: &str| Refusal::new(Refusal::INVALID_REQUEST, message);
    let mut object = match value {
        Value::Object(object) => object,
        Value::Array(_) => {
            return Err(invalid("batches are not supported: send one request a line"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(invalid(
                "a request is an object: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":…}",
            ));
        }
    };
    let id = object.remove("id");
    if matches!(id, Some(Value::Array(_) | Value::Object(_) | Value::Bool(_))) {
        return Err(invalid("`id` must be a number or a string"));
    }
    Ok(Request { id, call: call(object) })
}

fn call(mut object: Map<String, Value>) -> Result<Call, Refusal> {
    let invalid = |message: &str| Err(Refusal::new(Refusal::INVALID_REQUEST, message));
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return invalid("`jsonrpc` must be \"2.0\"");
    }
    let params = object.remove("params").unwrap_or_else(|| json!({}));
    let Some(Value::String(method)) = object.remove("method") else {
        return invalid("`method` must be a string");
    };
    match method.as_str() {
        "ping" => no_params(params, Call::Ping),
        "status" => no_params(params, Call::Status),
        "events" => Ok(Call::Events(typed("events", params)?)),
        "scale" => Ok(Call::Scale(typed("scale", params)?)),
        "autoscale" => Ok(Call::Autoscale(typed("autoscale", params)?)),
        "stop" => no_params(params, Call::Stop),
        "predict" => predict(params),
        "kill" => Ok(Call::Kill(typed("kill", params)?)),
        "chaos" => chaos(typed("chaos", params)?),
        other => {
            if let Some(call) = job_calls::parse(other, &params) {
                return call.map(Call::Job);
            }
            let hint = nearest::hint(other, all_methods());
            Err(Refusal::new(
                Refusal::UNKNOWN_METHOD,
                format!("no method is called `{other}`{hint}"),
            ))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPredict {
    images: Vec<RawImage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawImage {
    name: String,
    data: String,
}

fn predict(params: Value) -> Result<Call, Refusal> {
    let raw: RawPredict = typed("predict", params)?;
    if raw.images.len() > IMAGES_MAX {
        let message = format!("{} pictures: send {IMAGES_MAX} at most a request", raw.images.len());
        return Err(Refusal::new(Refusal::INVALID_PARAMS, message));
    }
    let images = raw.images.into_iter().map(|RawImage { name, data }| {
        let data = STANDARD.decode(data).map_err(|error| {
            let message = format!("picture `{name}`: `data` is no base64: {error}");
            Refusal::new(Refusal::INVALID_PARAMS, message)
        })?;
        Ok(Image { name, data })
    });
    Ok(Call::Predict(images.collect::<Result<_, Refusal>>()?))
}

fn chaos(plan: ChaosPlan) -> Result<Call, Refusal> {
    if plan.kills == 0 || plan.every_ms == 0 {
        let message = "`kills` and `every_ms` must be at least 1";
        return Err(Refusal::new(Refusal::INVALID_PARAMS, message));
    }
    Ok(Call::Chaos(plan))
}

pub(super) fn typed<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, Refusal> {
    serde_json::from_value(params).map_err(|error| {
        Refusal::new(Refusal::INVALID_PARAMS, format!("`params` of `{method}`: {error}"))
    })
}

fn no_params(params: Value, call: Call) -> Result<Call, Refusal> {
    match params {
        Value::Object(object) if object.is_empty() => Ok(call),
        Value::Array(list) if list.is_empty() => Ok(call),
        Value::Null => Ok(call),
        _ => Err(Refusal::new(Refusal::INVALID_PARAMS, "this method takes no `params`")),
    }
}

fn stop() -> Death {
    Death::Stop
}

/// The line that answers the request `id`, with its line feed.
pub fn reply(id: &Value, answer: Result<Value, Refusal>) -> Vec<u8> {
    let object = match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(refusal) => json!({ "jsonrpc": "2.0", "id": id, "error": refusal }),
    };
    let mut line = object.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The line that asks for `method`, with its line feed.
pub fn request(id: u64, method: &str, params: Value) -> Vec<u8> {
    let object = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let mut line = object.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// One picture as the parameters of `predict` hold it.
pub fn image_params(name: &str, data: &[u8]) -> Value {
    json!({ "name": name, "data": STANDARD.encode(data) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> (i64, String) {
        let refusal = match parse(line.as_bytes()) {
            Err(refusal) => refusal,
            Ok(request) => request.call.expect_err("this line must be refused"),
        };
        (refusal.code, refusal.message)
    }

    #[test]
    fn every_line_that_is_no_request_is_refused_with_the_code_of_json_rpc() {
        let cases = [
            ("garbage", -32700, "no JSON"),
            ("", -32700, "no JSON"),
            ("\u{0}\u{1}", -32700, "no JSON"),
            ("{\"jsonrpc\":\"2.0\"", -32700, "no JSON"),
            ("7", -32600, "a request is an object"),
            ("null", -32600, "a request is an object"),
            ("[]", -32600, "batches are not supported"),
            ("{}", -32600, "`jsonrpc` must be \"2.0\""),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600, "`jsonrpc` must be"),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600, "`method` must be a string"),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, "`id` must be"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"statu"}"#, -32601, "did you mean `status`?"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
                -32602,
                "takes no `params`",
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"kill"}"#, -32602, "missing field `target`"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"kill","params":{"target":"all","how":"axe"}}"#,
                -32602,
                "unknown variant `axe`",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"chaos","params":{"kills":0,"every_ms":1,"seed":0}}"#,
                -32602,
                "must be at least 1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"predict","params":{"images":[{"name":"a","data":"*"}]}}"#,
                -32602,
                "picture `a`: `data` is no base64",
            ),
        ];
        for (line, code, message) in cases {
            let (got, text) = refusal(line);
            assert_eq!(got, code, "{line}: {text}");
            assert!(text.contains(message), "{line}: {text}");
        }
    }

    #[test]
    fn a_line_nested_a_million_deep_is_refused() {
        assert_eq!(refusal(&"[".repeat(1_000_000)).0, Refusal::PARSE);
    }

    #[test]
    fn a_kill_without_how_is_a_stop() {
        let line = br#"{"jsonrpc":"2.0","id":"a","method":"kill","params":{"target":"train/1"}}"#;
        let request = parse(line).expect("a good line");
        assert_eq!(request.id, Some(json!("a")));
        let order = KillOrder { target: "train/1".into(), how: Death::Stop };
        assert_eq!(request.call, Ok(Call::Kill(order)));
    }

    #[test]
    fn a_request_without_id_is_a_notification() {
        let request = parse(br#"{"jsonrpc":"2.0","method":"stop"}"#).expect("a good line");
        assert_eq!(request, Request { id: None, call: Ok(Call::Stop) });
    }

    #[test]
    fn what_the_client_writes_is_what_the_runtime_reads() {
        let params = json!({ "images": [image_params("digit.png", b"\x89PNG")] });
        let line = request(3, "predict", params);
        let parsed = parse(line.trim_ascii_end()).expect("our own line");
        let image = Image { name: "digit.png".into(), data: b"\x89PNG".to_vec() };
        assert_eq!(parsed, Request { id: Some(json!(3)), call: Ok(Call::Predict(vec![image])) });
    }
}
