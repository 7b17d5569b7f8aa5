//! The socket against clients that are wrong, slow, or too many. The runtime behind it is a
//! stand-in.

use super::*;
use crate::{
    doors::{
        client::{Client, ClientError},
        control_protocol::image_params,
        job_calls::JobCall,
    },
    views::status::tests::training,
};
use planaria_stages::{
    ChaosPlan, Death, EventPage, KillError, PredictError, Prediction, ScaleError, Scaled, Status,
};
use serde_json::json;
use std::{
    future::Future,
    io::{BufRead, BufReader as Lines, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener as Listener, UnixStream as Stream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

/// Answers at once: class 7 for what begins with `7`, a bad image otherwise.
#[derive(Clone, Default)]
struct StandIn {
    stops: Arc<AtomicU32>,
}

impl Controlled for StandIn {
    fn status(&self) -> Option<Status> {
        Some(training())
    }

    fn predict(
        &self,
        image: Vec<u8>,
    ) -> impl Future<Output = Result<Prediction, PredictError>> + 'static {
        let probabilities = vec![0.0; 10];
        let class_names = Vec::new();
        let seven = Prediction { class: 7, probability: 1.0, probabilities, class_names, model: 1 };
        let is_seven = image.first() == Some(&b'7');
        let bad = PredictError::BadImage { reason: "this is no image".into() };
        std::future::ready(if is_seven { Ok(seven) } else { Err(bad) })
    }

    fn kill(&self, target: &str, _: Death) -> Result<Vec<String>, KillError> {
        match target {
            "train/1" => Ok(vec!["train/1".into()]),
            _ => Err(KillError::Stopped),
        }
    }

    fn chaos(&self, _: ChaosPlan) -> Result<(), KillError> {
        Err(KillError::ChaosRuns { left: 3 })
    }

    fn events(&self, since: u64, _: usize) -> EventPage {
        EventPage { events: Vec::new(), next: since }
    }

    fn scale(&self, _: &str, _: u16) -> Result<Scaled, ScaleError> {
        Err(ScaleError::Stopped)
    }

    fn autoscale(&self, _: bool) {}

    fn job(&self, _: JobCall) -> impl Future<Output = Result<Value, Refusal>> + 'static {
        std::future::ready(Err(Refusal::new(Refusal::NOT_HERE, "no jobs here")))
    }

    fn stop(&self) {
        self.stops.fetch_add(1, Ordering::SeqCst);
    }
}

const LIMITS: ControlLimits =
    ControlLimits { line_bytes: 1 << 20, clients: 3, idle_ms: 60_000, line_ms: 60_000 };

/// A socket that listens until the test is over.
struct World {
    path: PathBuf,
    stops: Arc<AtomicU32>,
    _folder: tempfile::TempDir,
}

/// Listens in a thread of its own; it ends with the test's process.
fn world(limits: ControlLimits) -> World {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("control.sock");
    let listener = Listener::bind(&path).expect("a free path");
    let runtime = StandIn::default();
    let stops = Arc::clone(&runtime.stops);
    thread::spawn(move || {
        let pong = Pong::of_this_process(limits.line_bytes, 1000, 100);
        actix_rt::System::new().block_on(serve(listener, runtime, pong, limits))
    });
    World { path, stops, _folder: folder }
}

impl World {
    fn connect(&self) -> Stream {
        let stream = Stream::connect(&self.path).expect("somebody listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a bound for the test");
        stream.set_write_timeout(Some(Duration::from_secs(60))).expect("a bound for the test");
        stream
    }

    /// Writes `bytes` and returns the error code of the answer.
    fn code(&self, bytes: &[u8]) -> (Stream, i64) {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("somebody reads");
        let code = code(&mut stream);
        (stream, code)
    }

    fn client(&self) -> Client {
        Client::connect(&self.path).expect("somebody listens")
    }

    /// Proves that the runtime still answers others.
    fn lives(&self) {
        assert_eq!(self.client().ping().expect("an answer").pid, std::process::id());
    }
}

fn line(stream: &Stream) -> String {
    let mut line = String::new();
    Lines::new(stream).read_line(&mut line).expect("an answer");
    line
}

/// The error code of the next answer.
fn code(stream: &mut Stream) -> i64 {
    let answer: Value = serde_json::from_str(&line(stream)).expect("the answer is JSON");
    answer["error"]["code"].as_i64().expect("the answer is an error")
}

#[test]
fn every_method_answers() {
    let world = world(LIMITS);
    let mut client = world.client();
    assert_eq!(client.ping().expect("an answer").protocol, 1);
    assert_eq!(client.call("status", json!({})).expect("an answer")["epoch"], 2);
    let killed = client.call("kill", json!({ "target": "train/1" })).expect("an answer");
    assert_eq!(killed, json!({ "killed": ["train/1"] }));
    client.call("stop", json!({})).expect("an answer");
    assert_eq!(world.stops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_bad_image_has_its_error_and_the_others_have_their_classes() {
    let world = world(LIMITS);
    let images = [("a", b"7".to_vec()), ("b", b"cat".to_vec()), ("c", vec![b'7'; 1001])];
    let images: Vec<Value> = images.iter().map(|(name, data)| image_params(name, data)).collect();
    let answer = world.client().call("predict", json!({ "images": images })).expect("an answer");
    let answers = &answer["predictions"];
    assert_eq!((&answers[0]["name"], &answers[0]["class"]), (&json!("a"), &json!(7)));
    assert_eq!(answers[1]["error"], "this is no image");
    let too_large = "1001 bytes: send a smaller picture or raise `limits.image_bytes` (1000)";
    assert_eq!(answers[2]["error"], too_large);
}

#[test]
fn an_order_that_cannot_be_done_is_refused_with_its_reason() {
    let world = world(LIMITS);
    let mut client = world.client();
    let error = client.call("kill", json!({ "target": "tarin" })).expect_err("nobody is alive");
    assert_eq!(error.to_string(), "the pipeline has stopped");
    let chaos = client.call("chaos", json!({ "kills": 1, "every_ms": 1, "seed": 0 }));
    assert!(matches!(chaos, Err(ClientError::Refused { code: Refusal::KILL, .. })));
}

#[test]
fn garbage_is_refused_and_the_same_client_is_heard_again() {
    let world = world(LIMITS);
    let (mut stream, code) = world.code(b"\x00\xff garbage\n");
    assert_eq!(code, Refusal::PARSE);
    let good = b"\n\r\n{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}\r\n";
    stream.write_all(good).expect("somebody reads");
    let answer = line(&stream);
    assert!(answer.contains("\"id\":5") && answer.contains("result"), "{answer}");
}

#[test]
fn a_line_of_100_mb_is_refused_and_the_runtime_goes_on() {
    let world = world(LIMITS);
    let mut stream = world.connect();
    let megabyte = vec![b'x'; 1 << 20];
    // The runtime may leave before the end: then it has answered before.
    let _ = (0..100).try_for_each(|_| stream.write_all(&megabyte));
    assert_eq!(code(&mut stream), Refusal::TOO_LONG);
    world.lives();
}

#[test]
fn a_line_of_the_greatest_length_is_read_and_one_byte_more_is_not() {
    let world = world(LIMITS);
    let mut line = vec![b' '; 1 << 20];
    line[0] = b'7';
    line.push(b'\n');
    assert_eq!(world.code(&line).1, Refusal::INVALID_REQUEST);
    line.insert(0, b' ');
    assert_eq!(world.code(&line).1, Refusal::TOO_LONG);
}

#[test]
fn many_long_lines_at_once_are_refused_before_they_fill_the_memory() {
    let world = world(ControlLimits { clients: 10, ..LIMITS });
    // Each begins a line that it does not end: there is room for four such lines, so the fifth is
    // refused.
    let half = vec![b'x'; (1 << 20) - 1];
    let streams: Vec<Stream> = (0..5).map(|_| world.connect()).collect();
    let (answered, answers) = mpsc::channel();
    for mut stream in streams {
        let (answered, half) = (answered.clone(), half.clone());
        // The four others wait for an answer until the test's process ends.
        thread::spawn(move || {
            let _ = stream.write_all(&half);
            let _ = answered.send(line(&stream));
        });
    }
    let refused = answers.recv_timeout(Duration::from_secs(60)).expect("one is refused");
    assert!(refused.contains("busy: unfinished lines hold"), "{refused}");
    world.lives();
}

#[test]
fn a_client_who_leaves_in_mid_line_harms_nobody() {
    let world = world(LIMITS);
    for _ in 0..20 {
        world.connect().write_all(b"{\"jsonrpc\":").expect("somebody reads");
    }
    has_room_again(&world);
}

/// The room of a client comes free when the runtime has seen it leave, which is soon.
fn has_room_again(world: &World) {
    let is_free = (0..100_000).any(|_| world.client().ping().is_ok());
    assert!(is_free, "there is room again");
}

#[test]
fn a_client_who_never_ends_a_line_is_told_and_left() {
    let world = world(ControlLimits { line_ms: 100, ..LIMITS });
    let (mut stream, code) = world.code(b"{\"jsonrpc\":");
    assert_eq!(code, Refusal::TOO_SLOW);
    stream.shutdown(Shutdown::Write).expect("the connection is still there");
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn a_silent_client_is_told_and_left() {
    let world = world(ControlLimits { idle_ms: 100, ..LIMITS });
    assert_eq!(code(&mut world.connect()), Refusal::TOO_SLOW);
    world.lives();
}

#[test]
fn a_client_who_does_not_read_its_answers_is_left() {
    let world = world(ControlLimits { line_ms: 200, ..LIMITS });
    let mut stream = world.connect();
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
    // Answers fill the socket, then the runtime waits, then it leaves: writing to it fails.
    let left = (0..100_000).find_map(|_| stream.write_all(line).err());
    let kind = left.expect("the runtime leaves before 100,000 answers").kind();
    assert!(matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{kind}");
    world.lives();
}

#[test]
fn one_client_too_many_is_told_to_come_back() {
    let world = world(LIMITS);
    let streams: Vec<Stream> = (0..3).map(|_| world.connect()).collect();
    assert_eq!(code(&mut world.connect()), Refusal::BUSY);
    drop(streams);
    has_room_again(&world);
}

#[test]
fn a_notification_is_done_and_not_answered() {
    let world = world(LIMITS);
    let mut stream = world.connect();
    stream.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"stop\"}\n").expect("somebody reads");
    let ping = b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}\n";
    stream.write_all(ping).expect("somebody reads");
    let answer = line(&stream);
    assert!(answer.contains("\"id\":9"), "{answer}");
    assert_eq!(world.stops.load(Ordering::SeqCst), 1);
}
