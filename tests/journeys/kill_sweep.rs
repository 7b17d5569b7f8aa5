//! `kill -9` at every write, sync, rename and removal that a small job makes of the real binary, one after another, and the
//! next start: by `strace`, which kills a thread's process at that thread's n-th call of a kind, before the call is done.
//!
//! In CI a sample; `tests/kill_sweep.sh` tries every point, pairs of points, and the negative controls. The sync of a file says
//! nothing about `kill -9` (the system keeps what was written): `order.rs` beside this looks at the order of the calls instead.

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::{Command, Stdio},
};

use crate::{
    client::Client,
    world::{Running, World, training, until},
};

mod order;

/// The calls that change what is on disk.
const CALLS: [&str; 8] =
    ["pwrite64", "fsync", "fdatasync", "rename", "unlink", "unlinkat", "ftruncate", "mkdir"];

const SERVE: [&str; 6] = ["serve", "config.toml", "--state", "state", "--socket", "c"];

/// A thread's n-th call of this kind, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    call: &'static str,
    number: u32,
}

/// What an undisturbed run makes, and at how many calls it could be killed.
struct Expected {
    result: Value,
    /// The blobs of its result.
    blobs: BTreeSet<String>,
    points: Vec<Point>,
    /// The journal that it began with; none in a new folder.
    journal: Option<Vec<u8>>,
}

/// A folder with a config of thirty steps, each with a checkpoint; with a state, if there is to be one.
fn world(journal: Option<&[u8]>) -> World {
    let world = World::with(&training(96, 10, "[checkpoint]\nevery_steps = 1\nkeep = 2\n"));
    if let Some(journal) = journal {
        fs::create_dir_all(world.path("state/jobs")).expect("a folder");
        world.write("state/jobs/journal.db", journal);
    }
    world
}

/// The journal of a runtime that was started once, and stopped.
fn empty_journal() -> Vec<u8> {
    let world = world(None);
    world.start(SERVE.iter().chain(&["--until-idle"])).end().with(0);
    fs::read(world.path("state/jobs/journal.db")).expect("a journal")
}

/// True when processes can be traced here; says so when they cannot.
fn can_trace() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null());
    let can = probe.status().is_ok_and(|status| status.success());
    if !can {
        println!("skipped: `strace` is not here, or may not trace");
    }
    can
}

/// What a client knows while runtimes come and go.
struct Owner<'w> {
    world: &'w World,
    /// The job's number, once it is acknowledged.
    acknowledged: Option<u64>,
    /// True once its end was told.
    was_done: bool,
}

impl<'w> Owner<'w> {
    fn new(world: &'w World) -> Self {
        Owner { world, acknowledged: None, was_done: false }
    }

    /// A life of the runtime: submits the job, waits for its end, stops the runtime. Gives its exit code; none when it was killed.
    fn live(&mut self, mut running: Running<'w>) -> Option<i32> {
        let socket = self.world.path("c");
        until("the end of a life", || {
            if let Some(code) = running.has_ended() {
                return Some(code);
            }
            // What dies in between is seen at the next look.
            let _ = Client::try_connect(&socket).and_then(|client| self.ask(client));
            None
        })
    }

    fn ask(&mut self, mut client: Client) -> Option<()> {
        let job = json!({ "kind": "train", "config": self.world.path("config.toml") });
        let answer = client.try_call("submit", json!({ "job": job, "key": "k" }))?;
        let (id, is_new) = (answer["result"]["id"].as_u64(), &answer["result"]["is_new"]);
        let id = id.unwrap_or_else(|| panic!("refused: {answer}"));
        if let Some(before) = self.acknowledged {
            assert_eq!((id, is_new), (before, &json!(false)), "an acknowledged job is lost");
        }
        self.acknowledged = Some(id);
        loop {
            let params = json!({ "id": id, "since": u32::MAX, "wait_ms": 1000 });
            let job = client.try_call("watch", params)?;
            match job["result"]["state"].as_str() {
                Some("done") => break,
                Some("queued" | "running") => assert!(!self.was_done, "an end is taken back"),
                _ => panic!("{job}"),
            }
        }
        self.was_done = true;
        client.try_call("stop", json!({})).map(drop)
    }

    /// A life that nobody disturbs, and what it gives: the job's view and the names of all blobs.
    fn calm(&mut self, flags: &[&str]) -> (Value, BTreeSet<String>) {
        let running = match flags {
            [] => self.world.start(SERVE),
            flags => self.world.start_traced(flags, &SERVE),
        };
        let code = self.live(running);
        assert_eq!(code, Some(0), "the life in which nobody is killed");
        let running = self.world.start(SERVE);
        let socket = self.world.path("c");
        let mut client = until("the runtime", || Client::try_connect(&socket));
        let id = self.acknowledged.expect("the job is acknowledged by now");
        let job = client.call("job", json!({ "id": id }))["result"].take();
        let jobs = client.call("jobs", json!({}))["result"]["jobs"].take();
        assert_eq!(jobs.as_array().map(Vec::len), Some(1), "a job twice: {jobs}");
        client.call("stop", json!({}));
        drop(client);
        running.end().with(0);
        (job, names(self.world, "state/jobs/blobs"))
    }
}

fn names(world: &World, folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(world.path(folder)).into_iter().flatten();
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect()
}

/// An undisturbed run in a new folder, or on a journal, traced: its result, and all points. The thread that begins the runtime
/// makes a new journal, and is first to every small number of calls: on a journal that is there, the journal's own thread is.
fn expected(journal: Option<Vec<u8>>) -> Expected {
    let world = world(journal.as_deref());
    let calls = format!("trace={}", CALLS.join(","));
    let flags = ["-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", &calls, "-o", "trace"];
    let (job, blobs) = Owner::new(&world).calm(&flags);
    let trace = fs::read_to_string(world.path("trace")).expect("strace writes UTF-8");
    // strace counts for each thread; who comes first to a number is killed there.
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or_default();
        let call = rest.trim_start().split('(').next().unwrap_or_default();
        if let Some(call) = CALLS.iter().find(|known| **known == call) {
            *counts.entry((call, thread)).or_default() += 1;
        }
    }
    let most = |call: &str| {
        let of_call = counts.iter().filter(|((counted, _), _)| *counted == call);
        of_call.map(|(_, count)| *count).max().unwrap_or(0)
    };
    let points =
        CALLS.iter().flat_map(|call| (1..=most(call)).map(|number| Point { call, number }));
    Expected { points: points.collect(), result: job["result"].clone(), blobs, journal }
}

/// Lives that end at these points, one after the other, and then a life without: gives at what they were killed.
fn survive(points: &[Point], expected: &Expected) -> Vec<String> {
    let world = world(expected.journal.as_deref());
    let mut owner = Owner::new(&world);
    let mut killed = Vec::new();
    for Point { call, number } in points {
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=KILL:when={number}");
        let flags = ["-f", "-qq", "-y", "-o", "death", "-e", &trace, "-e", &inject];
        let code = owner.live(world.start_traced(&flags, &SERVE));
        assert!(matches!(code, None | Some(0)), "{points:?}: it ended by itself with {code:?}");
        if code.is_none() {
            let trace = fs::read_to_string(world.path("death")).expect("strace writes UTF-8");
            killed.push(place(&trace));
        }
    }
    let (job, blobs) = owner.calm(&[]);
    assert_eq!(job["result"], expected.result, "{points:?}: another result");
    assert_eq!(blobs, expected.blobs, "{points:?}: other files");
    let whats = job["timeline"].as_array().expect("a timeline").iter().map(|entry| &entry["what"]);
    let ends = whats.filter(|what| **what == "done").count();
    assert_eq!(ends, 1, "{points:?}: {job}");
    assert_eq!(names(&world, "state/jobs/work"), BTreeSet::new(), "{points:?}: work is left");
    let left = names(&world, "state/jobs").into_iter().filter(|name| name.ends_with(".part"));
    assert_eq!(left.count(), 0, "{points:?}: a temporary file is left");
    killed
}

/// What the last call of a trace was about to change: `fsync jobs/blobs/SHA`, say.
fn place(trace: &str) -> String {
    let last = trace.lines().rfind(|line| line.ends_with("= ?")).unwrap_or_default();
    let (thread, rest) = last.split_once(' ').unwrap_or_default();
    let begun = |line: &&str| line.starts_with(thread) && line.ends_with("<unfinished ...>");
    let line = match rest.trim_start().starts_with("<...") {
        true => trace.lines().rfind(begun).unwrap_or_default(),
        false => last,
    };
    let call = line.split_whitespace().nth(1).unwrap_or_default();
    let call = call.split('(').next().unwrap_or_default();
    let path = line.rsplit_once("state/").map_or("state", |(_, path)| path);
    let path = path.split(['>', '"']).next().unwrap_or_default();
    let part = |part: &str| match part {
        part if part.ends_with(".part") => "a temporary file".to_owned(),
        part if part.len() == 64 => "SHA".to_owned(),
        part if part.ends_with(".checkpoint") => "a checkpoint".to_owned(),
        part => part.replace(|c: char| c.is_ascii_digit(), ""),
    };
    let path: Vec<String> = path.split('/').map(part).collect();
    format!("{call} {}", path.join("/"))
}

#[test]
fn a_job_killed_at_a_sample_of_its_writes_syncs_and_renames_ends_once_with_the_same_bytes() {
    if !can_trace() {
        return;
    }
    for journal in [None, Some(empty_journal())] {
        let expected = expected(journal);
        let sample: Vec<Point> = expected.points.iter().step_by(14).copied().collect();
        let killed: Vec<String> =
            sample.iter().flat_map(|point| survive(&[*point], &expected)).collect();
        let (all, tried) = (expected.points.len(), sample.len());
        println!("{all} points, a sample of {tried}: {} deaths", killed.len());
        assert!(killed.len() > 5, "too few deaths to mean anything: {killed:?}");
        // A death, and one in its recovery.
        let pair = [sample[tried / 2], sample[0]];
        assert_eq!(survive(&pair, &expected).len(), 2, "{pair:?}");
    }
}

#[test]
#[ignore = "three minutes: tests/kill_sweep.sh"]
fn a_job_killed_at_every_call_ends_once_with_the_same_bytes() {
    assert!(can_trace(), "this sweep needs strace");
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut points = 0;
    for journal in [Some(empty_journal()), None] {
        let expected = expected(journal);
        points += expected.points.len();
        for place in expected.points.iter().flat_map(|point| survive(&[*point], &expected)) {
            *places.entry(place).or_default() += 1;
        }
    }
    let deaths: usize = places.values().sum();
    println!("{points} points, {deaths} deaths, none with another result");
    for (place, deaths) in places {
        println!("{deaths:>6} at {place}");
    }
}

#[test]
#[ignore = "half an hour: tests/kill_sweep.sh"]
fn a_job_killed_at_pairs_of_calls_ends_once_with_the_same_bytes() {
    assert!(can_trace(), "this sweep needs strace");
    let expected = expected(Some(empty_journal()));
    let (mut pairs, mut twice) = (0, 0);
    for (index, first) in expected.points.iter().step_by(7).enumerate() {
        // All calls of the recovery are tried, each after every third of the first deaths.
        for second in expected.points.iter().skip(index % 3).step_by(3) {
            pairs += 1;
            twice += usize::from(survive(&[*first, *second], &expected).len() == 2);
        }
    }
    println!("{pairs} pairs of points, {twice} with two deaths, none with another result");
}
