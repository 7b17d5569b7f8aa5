//! The other end of the control socket: what the commands `status`, `predict`, `kill`, ... speak
//! through.
//!
//! Blocking, with a bound on every wait and every line. It talks to a runtime of the same user
//! only: nobody else's socket gets our pictures.

use rustix::{net::sockopt::socket_peercred, process::getuid};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    control_calls::Pong,
    control_protocol::{Refusal, request},
    socket_path::{SocketError, check_length},
};

/// How long a runtime may take to answer what it only has to look up.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ClientError {
    #[error(transparent)]
    Path(#[from] SocketError),
    #[error(
        "no runtime at {path}: start one with `planaria run CONFIG`, \
         or say where it listens with `--socket`"
    )]
    Nobody { path: PathBuf, source: io::Error },
    #[error("cannot connect to {path}")]
    Connect { path: PathBuf, source: io::Error },
    #[error("the socket {path} belongs to user {uid}: planaria talks to your own runtimes only")]
    NotOurs { path: PathBuf, uid: u32 },
    #[error("the runtime at {path} did not answer `{method}` within {seconds} s")]
    Silent { path: PathBuf, method: String, seconds: u64 },
    #[error("the runtime at {path} ended before it answered `{method}`")]
    Ended { path: PathBuf, method: String },
    #[error("lost the runtime at {path}")]
    Lost { path: PathBuf, source: io::Error },
    #[error("{message}")]
    Refused { code: i64, message: String },
    #[error(
        "the runtime at {path} answered what this program does not understand: \
         are both of the same version?"
    )]
    NotUnderstood { path: PathBuf, source: serde_json::Error },
}

/// A connection to a runtime.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    requests: u64,
}

impl Client {
    /// Connects to the runtime that listens at `path`.
    ///
    /// # Errors
    /// `ClientError` when nobody listens there, or somebody else's runtime does.
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        check_length(path)?;
        let path = path.to_path_buf();
        let stream = UnixStream::connect(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::Nobody { path: path.clone(), source }
            }
            _ => ClientError::Connect { path: path.clone(), source },
        })?;
        let peer = socket_peercred(&stream)
            .map_err(|errno| ClientError::Connect { path: path.clone(), source: errno.into() })?;
        if peer.uid != getuid() {
            return Err(ClientError::NotOurs { path, uid: peer.uid.as_raw() });
        }
        Ok(Client { path, stream: BufReader::new(stream), requests: 0 })
    }

    /// Asks who is there, and what it takes.
    ///
    /// # Errors
    /// `ClientError` when there is no good answer.
    pub fn ping(&mut self) -> Result<Pong, ClientError> {
        let answer = self.call("ping", json!({}))?;
        self.understand(answer)
    }

    /// Asks for what is answered at once.
    ///
    /// # Errors
    /// `ClientError` when there is no good answer.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.call_within(method, params, ANSWER_WITHIN)
    }

    /// Asks for what is answered within `limit`.
    ///
    /// # Errors
    /// `ClientError` when there is no good answer by then.
    pub fn call_within(
        &mut self,
        method: &str,
        params: Value,
        limit: Duration,
    ) -> Result<Value, ClientError> {
        self.requests += 1;
        let line = request(self.requests, method, params);
        let stream = self.stream.get_mut();
        let sent = stream
            .set_read_timeout(Some(limit))
            .and_then(|()| stream.set_write_timeout(Some(limit)))
            .and_then(|()| stream.write_all(&line));
        // A runtime that refuses us may have said why before it left: read before complaining.
        let answer = self.read_line(method, limit);
        match (sent, answer) {
            (_, Ok(line)) => self.unwrap_answer(&line),
            (Ok(()), Err(error)) => Err(error),
            (Err(error), Err(_)) => Err(self.lost(error, method, limit)),
        }
    }

    /// Waits until the runtime has ended, for `limit` at most; tells whether it has.
    pub fn wait_for_end(&mut self, limit: Duration) -> bool {
        let stream = self.stream.get_mut();
        if stream.set_read_timeout(Some(limit)).is_err() {
            return true;
        }
        let is_late = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        };
        !self.stream.read(&mut [0]).is_err_and(|error| is_late(&error))
    }

    /// Reads an answer as what it should be.
    ///
    /// # Errors
    /// `ClientError::NotUnderstood`.
    pub fn understand<T: DeserializeOwned>(&self, answer: Value) -> Result<T, ClientError> {
        serde_json::from_value(answer)
            .map_err(|source| ClientError::NotUnderstood { path: self.path.clone(), source })
    }

    fn read_line(&mut self, method: &str, limit: Duration) -> Result<Vec<u8>, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line);
        match read {
            Ok(_) if line.ends_with(b"\n") => Ok(line),
            Ok(_) => Err(ClientError::Ended { path: self.path.clone(), method: method.into() }),
            Err(error) => Err(self.lost(error, method, limit)),
        }
    }

    fn unwrap_answer(&self, line: &[u8]) -> Result<Value, ClientError> {
        let not_understood =
            |source| ClientError::NotUnderstood { path: self.path.clone(), source };
        let mut answer: Value = serde_json::from_slice(line).map_err(not_understood)?;
        match answer.get_mut("error").map(Value::take) {
            Some(error) => {
                let Refusal { code, message } =
                    serde_json::from_value(error).map_err(not_understood)?;
                Err(ClientError::Refused { code, message })
            }
            None => Ok(answer.get_mut("result").map(Value::take).unwrap_or_default()),
        }
    }

    fn lost(&self, source: io::Error, method: &str, limit: Duration) -> ClientError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ClientError::Silent { path, method: method.into(), seconds: limit.as_secs() }
            }
            _ => ClientError::Lost { path, source },
        }
    }
}
