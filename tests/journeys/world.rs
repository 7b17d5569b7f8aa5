//! A folder with a config in it, and the program started there.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    cell::Cell,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::client::Client;

/// How long anything may take on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// More epochs than any journey takes: a training that ends when it is told to.
pub(crate) const ENDLESS: u32 = 100_000;

/// For a journey in which nobody may die, not even on a machine that stands still for a while.
pub(crate) const CALM: &str = "[pools]\nhang_after = \"60s\"\n";

/// For a journey in which somebody hangs: it is seen soon.
pub(crate) const WATCHFUL: &str = "[pools]\nhang_after = \"1s\"\n";

/// A config for a small net and MNIST's first digits, without baselines; `more` is further TOML.
pub(crate) fn training(items: u64, epochs: u32, more: &str) -> String {
    format!(
        r#"[source]
train_items = {items}
test_items = 200
[network]
preset = "tiny-cnn"
[train]
epochs = {epochs}
batch = 32
[train.optimiser]
kind = "adam"
learning_rate = 0.005
[baselines]
models = []
{more}"#
    )
}

/// Waits until `look` sees what it looks for.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::start();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(clock.elapsed() < PATIENCE, "in vain: {what}");
        sleep(LOOK_EVERY);
    }
}

/// The wall clock, that no wait is without end.
struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "a journey that hangs must fail")]
    fn start() -> Self {
        Clock(Instant::now())
    }

    #[allow(clippy::disallowed_methods, reason = "a journey that hangs must fail")]
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A person's folder, and nothing else of the machine.
pub(crate) struct World {
    folder: tempfile::TempDir,
    /// Programs started so far: each has files of its own for what it says.
    started: Cell<u32>,
}

impl World {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        World {
            folder: tempfile::tempdir().expect("a folder for the journey"),
            started: Cell::new(0),
        }
    }

    /// A folder with this `config.toml`.
    pub(crate) fn with(config: &str) -> Self {
        let world = World::new();
        world.write("config.toml", config);
        world
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the folder takes a file");
    }

    /// Reads a file of JSON.
    pub(crate) fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.path(name)).expect("the file is there");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// Starts `planaria run config.toml` with the folder's own state and socket, and `flags`.
    pub(crate) fn run(&self, flags: &[&str]) -> Running<'_> {
        self.run_at("control.sock", flags)
    }

    /// The same with a socket of another name.
    pub(crate) fn run_at(&self, socket: &str, flags: &[&str]) -> Running<'_> {
        let ours = ["run", "config.toml", "--state", "state", "--socket", socket];
        self.start(ours.iter().chain(flags))
    }

    /// Starts a runtime and waits until its socket answers.
    pub(crate) fn runtime(&self, flags: &[&str]) -> Running<'_> {
        let mut running = self.run(flags);
        let socket = self.path("control.sock");
        until("a runtime that answers", || {
            running.must_live();
            Client::try_connect(&socket).map(|mut client| client.call("ping", Value::Null))
        });
        running
    }

    /// Runs a command to its end.
    pub(crate) fn planaria(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// Runs a command against the folder's runtime to its end.
    pub(crate) fn ask(&self, args: &[&str]) -> Ended {
        self.start(args.iter().chain(&["--socket", "control.sock"])).end()
    }

    /// A connection to the folder's runtime.
    pub(crate) fn client(&self) -> Client {
        Client::try_connect(&self.path("control.sock")).expect("the runtime listens")
    }

    /// Starts the program in the folder; what it says goes to files there.
    pub(crate) fn start(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running<'_> {
        self.spawn(Command::new(env!("CARGO_BIN_EXE_planaria")).args(args))
    }

    /// The same under `strace` with these flags.
    pub(crate) fn start_traced(&self, strace: &[&str], args: &[&str]) -> Running<'_> {
        let program = env!("CARGO_BIN_EXE_planaria");
        self.spawn(Command::new("strace").args(strace).arg(program).args(args))
    }

    fn spawn(&self, command: &mut Command) -> Running<'_> {
        let number = self.started.replace(self.started.get() + 1);
        let (out, err) = (self.path(&format!("{number}.out")), self.path(&format!("{number}.err")));
        let file = |path: &Path| File::create(path).expect("the folder takes a file");
        let child = command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env_remove("RUST_LOG")
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&err))
            .spawn()
            .expect("the program starts");
        Running { world: self, child, out, err }
    }
}

/// A program that runs; it does not outlive its journey.
pub(crate) struct Running<'w> {
    world: &'w World,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running<'_> {
    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }

    /// What `kill -9` does.
    pub(crate) fn kill_nine(mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }

    /// How it has ended, if it has: with an exit code, or by a signal.
    pub(crate) fn has_ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().expect("it can be asked for").map(|status| status.code())
    }

    /// Fails when it has ended.
    pub(crate) fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().expect("it can be asked for") {
            panic!("it has ended: {:?}", self.ended(status));
        }
    }

    /// Waits until its status shows something.
    pub(crate) fn until<T>(&mut self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        let mut client = self.world.client();
        until(what, || {
            self.must_live();
            look(&client.call("status", Value::Null)["result"])
        })
    }

    /// Waits until it has deployed a model.
    pub(crate) fn until_a_model(&mut self) -> u64 {
        self.until("a first model", |status| status["model"]["version"].as_u64())
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let clock = Clock::start();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked for") {
                return self.ended(status);
            }
            if clock.elapsed() > PATIENCE {
                let said = fs::read_to_string(&self.err).unwrap_or_default();
                panic!("it does not end; it has said:\n{said}");
            }
            sleep(LOOK_EVERY);
        }
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        let read = |path| fs::read_to_string(path).expect("it speaks UTF-8");
        Ended { code: status.code(), out: read(&self.out), err: read(&self.err) }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Both fail only for a program that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Its stdout.
    pub(crate) out: String,
    /// Its stderr.
    pub(crate) err: String,
}

impl Ended {
    /// Fails unless it ended with this code.
    pub(crate) fn with(self, code: i32) -> Self {
        let Ended { code: found, out, err } = &self;
        assert_eq!(*found, Some(code), "exit code\n--- stdout\n{out}\n--- stderr\n{err}");
        self
    }

    /// Fails unless its stderr has each of these texts.
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is missing in:\n{}", self.err);
        }
        self
    }

    /// Its stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("stdout is no JSON ({error}):\n{}", self.out))
    }
}
