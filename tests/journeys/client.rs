//! JSON-RPC over the control socket, written here again: what the program writes is judged by
//! somebody else.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
};

use crate::world::PATIENCE;

/// A connection.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    requests: u64,
}

impl Client {
    /// Connects, if somebody listens.
    pub(crate) fn try_connect(path: &Path) -> Option<Client> {
        let stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a time-out");
        Some(Client { stream: BufReader::new(stream), requests: 0 })
    }

    /// Asks and waits for the answer, which is for this request.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let answer = self.answer().unwrap_or_else(|| panic!("no answer to `{method}`"));
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Asks a runtime that may die: `None` when it did.
    pub(crate) fn try_call(&mut self, method: &str, params: Value) -> Option<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
        self.write(format!("{request}\n").as_bytes()).ok()?;
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Asks; the answer is still to be read.
    pub(crate) fn send(&mut self, method: &str, params: Value) -> u64 {
        self.requests += 1;
        let (id, params) = (self.requests, if params.is_null() { json!({}) } else { params });
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(format!("{request}\n").as_bytes()).expect("the runtime reads");
        id
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next answer, or `None` when the runtime has closed.
    pub(crate) fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("an answer is JSON")),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Says that nothing more will be asked.
    pub(crate) fn hang_up(&mut self) {
        // It fails only when the other side has hung up before.
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
    }

    /// True when the runtime closes without a further word.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    /// The other half, for a thread that writes while this one reads.
    pub(crate) fn writer(&self) -> UnixStream {
        self.stream.get_ref().try_clone().expect("a socket can be cloned")
    }
}

/// The parameters that ask for one picture under each of these names.
pub(crate) fn pictures(names: &[String], picture: &[u8]) -> Value {
    let data = STANDARD.encode(picture);
    let images: Vec<Value> =
        names.iter().map(|name| json!({ "name": name, "data": data })).collect();
    json!({ "images": images })
}
