//! A loss of power takes what was written and not yet synced. No kill shows that; the order of the calls does: what is told must
//! have been synced before, and so must what a rename puts in place.

use std::{collections::BTreeMap, fs};

use super::{Owner, SERVE, can_trace, world};

/// What a traced runtime did, as far as it matters to a loss of power.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Wrote(String),
    Synced(String),
    Renamed {
        from: String,
        to: String,
    },
    /// The request for a job came in.
    Asked,
    /// The job was acknowledged.
    Told,
}

/// The lines of `strace -f -yy`: a call counts when it is over, an answer when it begins.
fn parse(trace: &str) -> Vec<Did> {
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    let mut did = Vec::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or_default();
        let rest = rest.trim_start();
        let is_answer = rest.starts_with("write(") || rest.starts_with("sendto(");
        if is_answer && rest.contains(r#"\"is_new\":true"#) {
            did.push(Did::Told);
        }
        let whole = if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, start.to_owned());
            continue;
        } else if rest.starts_with("<... ") {
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            begun.remove(thread).unwrap_or_default() + end
        } else {
            rest.to_owned()
        };
        did.extend(call(&whole));
    }
    did
}

fn call(line: &str) -> Option<Did> {
    let (name, args) = line.split_once('(')?;
    let file = || {
        let (_, path) = args.split_once('<')?;
        let path = path.split_once('>')?.0;
        path.contains("/state/").then(|| path.to_owned())
    };
    match name {
        "pwrite64" | "ftruncate" => file().map(Did::Wrote),
        "fsync" | "fdatasync" if line.ends_with("= 0") => file().map(Did::Synced),
        "rename" => {
            let mut names = args.split('"').skip(1).step_by(2).map(str::to_owned);
            Some(Did::Renamed { from: names.next()?, to: names.next()? })
        }
        "read" | "recvfrom" => args.contains(r#"\"method\":\"submit\""#).then_some(Did::Asked),
        _ => None,
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What a loss of power could take although it was told or put in place.
fn lost(did: &[Did]) -> Vec<String> {
    let mut lost = Vec::new();
    for (at, what) in did.iter().enumerate() {
        let before = &did[..at];
        match what {
            Did::Told => {
                let asked = before.iter().rposition(|did| *did == Did::Asked).unwrap_or(0);
                let is_log = |path: &String| path.ends_with("journal.db-wal");
                let wrote = before[asked..]
                    .iter()
                    .position(|did| matches!(did, Did::Wrote(path) if is_log(path)));
                let is_synced = wrote.is_some_and(|wrote| {
                    let after = &before[asked + wrote..];
                    after.iter().any(|did| matches!(did, Did::Synced(path) if is_log(path)))
                });
                if !is_synced {
                    lost.push("a job is acknowledged before the log is synced".to_owned());
                }
            }
            Did::Renamed { from, to } => {
                let of_it = |did: &&Did| match did {
                    Did::Wrote(path) | Did::Synced(path) => file_name(path) == file_name(from),
                    _ => false,
                };
                if !matches!(before.iter().rfind(of_it), Some(Did::Synced(_))) {
                    lost.push(format!("{to} is put in place before it is synced"));
                }
                let folder = to.rsplit_once('/').map_or("", |(folder, _)| folder);
                let is_synced = did[at..]
                    .iter()
                    .any(|did| matches!(did, Did::Synced(path) if path.ends_with(folder)));
                if !is_synced {
                    lost.push(format!("the folder of {to} is not synced"));
                }
            }
            _ => {}
        }
    }
    lost
}

#[test]
fn nothing_is_told_or_put_in_place_that_a_loss_of_power_could_take() {
    if !can_trace() {
        return;
    }
    let world = world(None);
    let calls = "trace=pwrite64,ftruncate,fsync,fdatasync,rename,read,recvfrom,write,sendto";
    let flags = ["-f", "-qq", "-yy", "-s", "300", "-e", "signal=none", "-e", calls, "-o", "trace"];
    let code = Owner::new(&world).live(world.start_traced(&flags, &SERVE));
    assert_eq!(code, Some(0));
    let did = parse(&fs::read_to_string(world.path("trace")).expect("strace writes UTF-8"));
    assert!(did.contains(&Did::Told) && did.contains(&Did::Asked), "{did:?}");
    assert_eq!(lost(&did), Vec::<String>::new());
    let renames = did.iter().filter(|did| matches!(did, Did::Renamed { .. })).count();
    assert!(renames > 30, "files are put in place by renaming: {did:?}");
}
