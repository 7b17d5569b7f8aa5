//! The local socket that obeys its owner only.
//!
//! Runs on the main thread beside nothing that computes. Bounds: `clients` connections,
//! `line_bytes` a line, four such lines in memory for all clients together, `idle_ms` of silence,
//! `line_ms` for a line once begun and for an answer to be taken. Whoever hits one is told which,
//! and only their connection ends.

use serde_json::Value;
use std::{cell::Cell, io, rc::Rc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    control_calls::{Controlled, Pong, answer},
    control_protocol::{Refusal, parse, reply},
};

/// Lines of the greatest length that may be in memory at once, for all clients together.
const LONGEST_LINES_AT_ONCE: u64 = 4;

/// A line up to this length always finds room: a runtime full of pictures can still be asked and
/// stopped.
const SHORT_LINE_BYTES: u64 = 4096;

/// How long we wait after a failed accept: mostly for a file descriptor to come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long what follows a refused line is read and thrown away, so that its writer can hear why.
const HEAR_OUT: Duration = Duration::from_secs(5);

/// The bounds of the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlLimits {
    /// The longest line, in bytes.
    pub line_bytes: u64,
    /// Connections at once.
    pub clients: usize,
    /// How long a connection may be silent, in milliseconds.
    pub idle_ms: u64,
    /// How long a line may take once begun, and an answer to be taken, in milliseconds.
    pub line_ms: u64,
}

/// Everything that the connections share.
struct Door<C> {
    runtime: C,
    pong: Pong,
    limits: ControlLimits,
    clients: Cell<usize>,
    /// Bytes of unfinished or unanswered lines.
    held_bytes: Rc<Cell<u64>>,
    /// Our own user: the only one who is obeyed.
    owner: u32,
}

/// Listens until the task is dropped. Call it inside a `LocalSet`, with a non-blocking listener.
///
/// # Errors
/// `io::Error` when `listener` cannot be watched.
pub async fn serve<C: Controlled>(
    listener: std::os::unix::net::UnixListener,
    runtime: C,
    pong: Pong,
    limits: ControlLimits,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let door = Rc::new(Door {
        runtime,
        pong,
        limits,
        clients: Cell::new(0),
        held_bytes: Rc::default(),
        owner: rustix::process::getuid().as_raw(),
    });
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(&door, stream),
            Err(error) => {
                tracing::warn!(cause = %error, "control socket cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives the client a task of its own, or refuses it.
fn admit<C: Controlled>(door: &Rc<Door<C>>, stream: UnixStream) {
    let refusal = match stream.peer_cred() {
        Ok(peer) if peer.uid() == door.owner => {
            let clients_max = door.limits.clients;
            (door.clients.get() >= clients_max).then(|| {
                let message = format!("busy: {clients_max} clients are connected; ask again later");
                Refusal::new(Refusal::BUSY, message)
            })
        }
        Ok(_) | Err(_) => {
            Some(Refusal::new(Refusal::NOT_OWNER, "this runtime obeys its owner only"))
        }
    };
    if let Some(refusal) = refusal {
        tracing::warn!(cause = refusal.message, "client refused");
        // It has just been accepted: its buffer is empty and takes a line at once, or the client is
        // gone.
        let _ = stream.try_write(&reply(&Value::Null, Err(refusal)));
        return;
    }
    door.clients.set(door.clients.get() + 1);
    let door = Rc::clone(door);
    spawn_local(async move {
        let leave = Leave(&door.clients);
        let (read, write) = stream.into_split();
        let lines = Lines {
            reader: BufReader::new(read),
            limits: door.limits,
            held_bytes: Rc::clone(&door.held_bytes),
        };
        if let Err(error) = converse(&door, lines, write).await {
            tracing::debug!(cause = %error, "client lost");
        }
        drop(leave);
    });
}

/// Counts a client out, however its conversation ends.
struct Leave<'a>(&'a Cell<usize>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Answers line by line until the client leaves or hits a bound.
async fn converse<C: Controlled>(
    door: &Door<C>,
    mut lines: Lines,
    mut write: OwnedWriteHalf,
) -> io::Result<()> {
    loop {
        let (id, result, goes_on) = match lines.next().await {
            Ok(None) => return Ok(()),
            Ok(Some(line)) if line.bytes.trim_ascii().is_empty() => continue,
            Ok(Some(line)) => match parse(&line.bytes) {
                Ok(request) => {
                    let result = match request.call {
                        Ok(call) => answer(call, &door.runtime, &door.pong).await,
                        Err(refusal) => Err(refusal),
                    };
                    let Some(id) = request.id else { continue };
                    (id, result, true)
                }
                Err(refusal) => (Value::Null, Err(refusal), true),
            },
            Err(LineFault::Refused(refusal)) => {
                tracing::warn!(cause = refusal.message, "control line refused");
                (Value::Null, Err(refusal), false)
            }
            Err(LineFault::Lost(error)) => return Err(error),
        };
        send(door, &mut write, &reply(&id, result)).await?;
        if !goes_on {
            return lines.hear_out().await;
        }
    }
}

/// Writes an answer; a client that does not take it in time is lost.
async fn send<C>(door: &Door<C>, write: &mut OwnedWriteHalf, line: &[u8]) -> io::Result<()> {
    let limit = Duration::from_millis(door.limits.line_ms);
    match timeout(limit, write.write_all(line)).await {
        Ok(result) => result,
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer"))
        }
    }
}

/// The lines of one client.
struct Lines {
    reader: BufReader<OwnedReadHalf>,
    limits: ControlLimits,
    held_bytes: Rc<Cell<u64>>,
}

/// A line without its line feed; its bytes count as held until it is dropped.
struct Line {
    bytes: Vec<u8>,
    held_bytes: Rc<Cell<u64>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.held_bytes.set(self.held_bytes.get() - self.bytes.len() as u64);
    }
}

/// Why there is no further line.
enum LineFault {
    /// A bound was hit; the client is told, and then left.
    Refused(Refusal),
    /// The connection is gone.
    Lost(io::Error),
}

impl Lines {
    /// The next line, or `None` when the client has left between two.
    async fn next(&mut self) -> Result<Option<Line>, LineFault> {
        let refused = |message: &str| LineFault::Refused(Refusal::new(Refusal::TOO_SLOW, message));
        let idle = Duration::from_millis(self.limits.idle_ms);
        match timeout(idle, self.reader.fill_buf()).await {
            Err(_) => return Err(refused("silent for too long; connect again when you need me")),
            Ok(Err(error)) => return Err(LineFault::Lost(error)),
            Ok(Ok([])) => return Ok(None),
            Ok(Ok(_)) => {}
        }
        let limit = Duration::from_millis(self.limits.line_ms);
        match timeout(limit, self.rest_of_line()).await {
            Err(_) => Err(refused("half a line, and then nothing for too long; send it whole")),
            Ok(line) => line.map(Some),
        }
    }

    async fn rest_of_line(&mut self) -> Result<Line, LineFault> {
        let mut line = Line { bytes: Vec::new(), held_bytes: Rc::clone(&self.held_bytes) };
        loop {
            let chunk = self.reader.fill_buf().await.map_err(LineFault::Lost)?;
            if chunk.is_empty() {
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, "left in mid-line");
                return Err(LineFault::Lost(error));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            room_for(part.len() as u64, &line, self.limits).map_err(LineFault::Refused)?;
            line.bytes.extend_from_slice(part);
            line.held_bytes.set(line.held_bytes.get() + part.len() as u64);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    /// Reads and drops what a refused client still writes, within bounds, so that it hears the
    /// answer.
    async fn hear_out(&mut self) -> io::Result<()> {
        let bytes_max = self.limits.line_bytes.saturating_mul(LONGEST_LINES_AT_ONCE);
        let drain = async {
            let mut dropped = 0;
            while dropped <= bytes_max {
                let bytes = self.reader.fill_buf().await?.len();
                if bytes == 0 {
                    break;
                }
                self.reader.consume(bytes);
                dropped += bytes as u64;
            }
            Ok(())
        };
        timeout(HEAR_OUT, drain).await.unwrap_or(Ok(()))
    }
}

/// Refuses a part that makes its line, or all lines together, too long.
fn room_for(part_bytes: u64, line: &Line, limits: ControlLimits) -> Result<(), Refusal> {
    if line.bytes.len() as u64 + part_bytes > limits.line_bytes {
        let message = format!(
            "the line is longer than `control.line_bytes` ({}): send less a line, or raise it",
            limits.line_bytes
        );
        return Err(Refusal::new(Refusal::TOO_LONG, message));
    }
    let held_max = limits.line_bytes.saturating_mul(LONGEST_LINES_AT_ONCE);
    let is_short = line.bytes.len() as u64 + part_bytes <= SHORT_LINE_BYTES;
    if !is_short && line.held_bytes.get() + part_bytes > held_max {
        let message = format!("busy: unfinished lines hold {held_max} bytes; ask again later");
        return Err(Refusal::new(Refusal::BUSY, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
