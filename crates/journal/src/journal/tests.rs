//! The journal as its owner uses it: a world is a folder, a death is a handle that goes without a word.

use super::*;
use crate::*;
use std::{collections::BTreeSet, sync::mpsc::channel};

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        World { folder: tempfile::tempdir().unwrap() }
    }

    fn journal(&self) -> Journal {
        Journal::open(self.folder.path().join("journal.db")).unwrap()
    }
}

fn job(key: Option<&str>, priority: i64) -> Accept {
    let job = NewJob {
        kind: "train".into(),
        spec: "{}".into(),
        request_sha256: "ab".into(),
        key: key.map(Into::into),
        priority,
    };
    Accept { job, queue_max: 10, now_ms: 1 }
}

fn next(journal: &Journal) -> Option<Job> {
    journal.call(TakeNext { now_ms: 2 }).unwrap()
}

fn end(journal: &Journal, id: JobId, ending: Ending) -> Result<(), JournalError> {
    journal.call(End { id, ending, now_ms: 3 })
}

fn done(result: &str) -> Ending {
    let blob = BlobRow { name: "model".into(), sha256: "cd".into(), bytes: 7 };
    Ending::Done { result: result.into(), blobs: vec![blob] }
}

fn recover(journal: &Journal) -> Found {
    journal.call(Recover { deaths_max: 3, now_ms: 4 }).unwrap()
}

#[test]
fn the_same_key_gives_the_same_job_also_after_a_restart_and_another_request_is_refused() {
    let world = World::new();
    let first = world.journal().call(job(Some("a"), 0)).unwrap();
    assert!(first.is_new);
    let journal = world.journal();
    let again = journal.call(job(Some("a"), 0)).unwrap();
    assert_eq!((again.id, again.is_new), (first.id, false));
    let mut other = job(Some("a"), 0);
    other.job.request_sha256 = "ef".into();
    let taken = JournalError::KeyTaken { key: "a".into(), id: first.id };
    assert_eq!(journal.call(other).unwrap_err(), taken);
    assert!(journal.call(job(None, 0)).unwrap().is_new);
    assert!(journal.call(job(None, 0)).unwrap().is_new, "without a key each is a job of its own");
}

#[test]
fn jobs_go_by_priority_and_then_in_the_order_of_acceptance() {
    let world = World::new();
    let journal = world.journal();
    let ids: Vec<JobId> =
        [0, 5, 0, 5, -1].map(|priority| journal.call(job(None, priority)).unwrap().id).into();
    let order: Vec<JobId> = std::iter::from_fn(|| next(&journal).map(|job| job.id)).collect();
    assert_eq!(order, [ids[1], ids[3], ids[0], ids[2], ids[4]]);
}

#[test]
fn a_full_queue_refuses_and_a_known_key_is_still_answered() {
    let world = World::new();
    let journal = world.journal();
    for number in 0..10 {
        journal.call(job(Some(&number.to_string()), 0)).unwrap();
    }
    assert_eq!(journal.call(job(None, 0)).unwrap_err(), JournalError::QueueFull { waiting: 10 });
    assert!(!journal.call(job(Some("3"), 0)).unwrap().is_new);
    next(&journal).unwrap();
    journal.call(job(None, 0)).unwrap();
}

#[test]
fn a_job_ends_once() {
    let world = World::new();
    let journal = world.journal();
    journal.call(job(None, 0)).unwrap();
    let id = next(&journal).unwrap().id;
    end(&journal, id, done("7")).unwrap();
    for ending in [done("8"), Ending::Cancelled, Ending::Failed { error: "no".into() }] {
        let error = end(&journal, id, ending).unwrap_err();
        assert!(matches!(error, JournalError::WrongState { state: JobState::Done, .. }));
    }
    let job = journal.call(FindJob(id)).unwrap();
    assert_eq!((job.result.as_deref(), job.blobs.len()), (Some("7"), 1));
    let what: Vec<String> = journal
        .call(Timeline { id, since: 0 })
        .unwrap()
        .into_iter()
        .map(|entry| entry.what)
        .collect();
    assert_eq!(what, ["accepted", "started", "done"]);
}

#[test]
fn what_ran_when_the_process_died_runs_again_and_the_third_death_in_a_row_sets_it_aside() {
    let world = World::new();
    let mut ids = Vec::new();
    {
        let journal = world.journal();
        ids.push(journal.call(job(None, 0)).unwrap().id);
        ids.push(journal.call(job(None, 0)).unwrap().id);
        next(&journal).unwrap();
    }
    for deaths in 1..=2 {
        let journal = world.journal();
        assert_eq!(recover(&journal).resumed, [ids[0]], "death {deaths}");
        let again = next(&journal).unwrap();
        assert_eq!((again.id, again.deaths, again.attempts), (ids[0], deaths, deaths + 1));
    }
    let journal = world.journal();
    assert_eq!(recover(&journal).set_aside, [ids[0]]);
    assert_eq!(next(&journal).unwrap().id, ids[1], "the others go on");
    let aside = journal.call(FindJob(ids[0])).unwrap();
    assert!(aside.state == JobState::SetAside && aside.error.unwrap().contains("died 3 times"));
    journal.call(Retry { id: ids[0], now_ms: 5 }).unwrap();
    assert_eq!(next(&journal).unwrap().deaths, 0, "a person may try it again");
}

#[test]
fn a_job_that_comes_forward_between_deaths_is_never_set_aside() {
    let world = World::new();
    let id = world.journal().call(job(None, 0)).unwrap().id;
    for life in 1..=10 {
        let journal = world.journal();
        recover(&journal);
        assert_eq!(next(&journal).unwrap().id, id, "life {life}");
        journal.call(Progress { id, progress: life }).unwrap();
    }
    // The same point again and again is no progress.
    for _ in 0..2 {
        let journal = world.journal();
        recover(&journal);
        next(&journal).unwrap();
        journal.call(Progress { id, progress: 10 }).unwrap();
    }
    assert_eq!(recover(&world.journal()).set_aside, [id]);
}

#[test]
fn wishes_are_kept_through_a_death() {
    let world = World::new();
    let ids = {
        let journal = world.journal();
        let ids = [0, 0].map(|priority| journal.call(job(None, priority)).unwrap().id);
        for (id, wish) in ids.into_iter().zip([Wish::Cancel, Wish::Pause]) {
            next(&journal).unwrap();
            let wished = journal.call(AskFor { id, wish, now_ms: 3 }).unwrap();
            assert!(wished.must_be_told);
        }
        ids
    };
    let journal = world.journal();
    assert_eq!(recover(&journal).as_asked, ids);
    let states = ids.map(|id| journal.call(FindJob(id)).unwrap().state);
    assert_eq!(states, [JobState::Cancelled, JobState::Paused]);
    assert_eq!(next(&journal), None);
    journal.call(Resume { id: ids[1], now_ms: 5 }).unwrap();
    assert_eq!(next(&journal).unwrap().id, ids[1]);
}

#[test]
fn every_wish_in_every_state_is_obeyed_or_refused_with_the_state() {
    let world = World::new();
    let journal = world.journal();
    let id = journal.call(job(None, 0)).unwrap().id;
    let ask = |wish| journal.call(AskFor { id, wish, now_ms: 3 });
    ask(Wish::Pause).unwrap();
    ask(Wish::Pause).unwrap();
    assert_eq!(next(&journal), None, "it is paused");
    journal.call(Resume { id, now_ms: 3 }).unwrap();
    assert!(journal.call(Retry { id, now_ms: 3 }).is_err(), "it has not ended");
    next(&journal).unwrap();
    journal.call(PutBack { id, is_paused: false, detail: String::new(), now_ms: 3 }).unwrap();
    ask(Wish::Cancel).unwrap();
    ask(Wish::Cancel).unwrap();
    assert!(ask(Wish::Pause).unwrap_err().to_string().contains("cancelled: it cannot be paused"));
    journal.call(Retry { id, now_ms: 3 }).unwrap();
    next(&journal).unwrap();
    end(&journal, id, done("1")).unwrap();
    assert!(ask(Wish::Cancel).is_err() && journal.call(Retry { id, now_ms: 3 }).is_err());
    let unknown = JobId(99);
    let error = journal.call(Retry { id: unknown, now_ms: 3 }).unwrap_err();
    assert_eq!(error, JournalError::Unknown { id: unknown });
}

#[test]
fn the_oldest_ended_jobs_are_forgotten_with_all_that_belongs_to_them() {
    let world = World::new();
    let journal = world.journal();
    let ids: Vec<JobId> = (0..5).map(|_| journal.call(job(None, 0)).unwrap().id).collect();
    for _ in 0..4 {
        let id = next(&journal).unwrap().id;
        end(&journal, id, done("1")).unwrap();
    }
    assert_eq!(journal.call(Retain { keep: 4, most: 10 }).unwrap(), []);
    assert_eq!(journal.call(Retain { keep: 2, most: 1 }).unwrap(), [ids[0]]);
    assert_eq!(journal.call(Retain { keep: 2, most: 10 }).unwrap(), [ids[1]]);
    assert!(journal.call(Timeline { id: ids[0], since: 0 }).is_err());
    let (blobs, open) = journal.call(NeededBlobs).unwrap();
    assert_eq!((blobs.len(), open), (1, BTreeSet::from([ids[4]])));
    assert_eq!(journal.call(Retain { keep: 0, most: 10 }).unwrap(), [ids[2], ids[3]]);
    let left = journal.call(ListJobs { state: None, before: None, most: 10 }).unwrap();
    assert_eq!(left.len(), 1, "a job that waits is never forgotten");
    assert_eq!(journal.call(job(None, 0)).unwrap().id, JobId(6), "no number is given twice");
}

#[test]
fn a_timeline_is_bounded_and_keeps_its_beginning() {
    let world = World::new();
    let journal = world.journal();
    let id = journal.call(job(None, 0)).unwrap().id;
    for number in 0..300 {
        let note = Note { id, what: "note", detail: number.to_string(), inputs: None, now_ms: 2 };
        journal.call(note).unwrap();
    }
    let entries = journal.call(Timeline { id, since: 0 }).unwrap();
    assert_eq!(entries.len(), 200);
    assert_eq!((entries[0].what.as_str(), entries[199].detail.as_str()), ("accepted", "299"));
}

#[test]
fn an_order_that_is_refused_harms_none_of_its_group() {
    let world = World::new();
    let journal = world.journal();
    let (reply, answers) = channel();
    for number in 0..200 {
        let reply = reply.clone();
        if number % 2 == 0 {
            let mut accept = job(None, 0);
            accept.queue_max = 1000;
            journal.send(accept, move |answer| reply.send(answer.is_ok()).unwrap()).unwrap();
        } else {
            let retry = Retry { id: JobId(9999), now_ms: 1 };
            journal.send(retry, move |answer| reply.send(answer.is_ok()).unwrap()).unwrap();
        }
    }
    let answers: Vec<bool> = answers.iter().take(200).collect();
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 100);
    let counts = journal.call(CountStates).unwrap();
    assert_eq!(counts.get(&JobState::Queued), Some(&100));
}
