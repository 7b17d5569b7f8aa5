//! What is left of a pipeline after 100,000 deaths, and how soon is a dead worker replaced?
//!
//! `cargo bench -p planaria-kernel --bench kills [-- KILLS]`

mod line;

use line::*;
use planaria_kernel::{
    ActixHost, Core, Death, MakeWorker, Pulse, SlotId, StageId, Target, Worker, WorkerError,
};
use planaria_random::{Purpose, Stream};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const STAGES: u16 = 3;
const WORKERS: u16 = 2;
/// Threads and memory are those of before once so many have died: every place has been used then.
const WARM_UP: u64 = 1_000;

/// When each slot's worker died, and how long it took until the next one was there.
#[derive(Default)]
struct Gaps {
    died: BTreeMap<SlotId, Instant>,
    micros: Vec<u32>,
}

struct Mortal {
    slot: SlotId,
    gaps: Arc<Mutex<Gaps>>,
}

impl Worker<Line> for Mortal {
    fn handle(
        &mut self,
        _: planaria_kernel::ItemId,
        input: u64,
        pulse: &Pulse,
    ) -> Result<u64, WorkerError> {
        for _ in 0..10 {
            pulse.beat()?;
            spin(Duration::from_micros(1));
        }
        Ok(mix(input))
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let mut gaps = self.gaps.lock().expect("nobody panics with it");
        gaps.died.insert(self.slot, now());
    }
}

fn mortals(gaps: &Arc<Mutex<Gaps>>) -> MakeWorker<Line> {
    let gaps = gaps.clone();
    Arc::new(move |slot| {
        let mut known = gaps.lock().expect("nobody panics with it");
        // One that hangs is replaced before it is dropped: there is no gap then.
        if let Some(died) = known.died.remove(&slot) {
            known.micros.push(died.elapsed().as_micros() as u32);
        }
        drop(known);
        Ok(Box::new(Mortal { slot, gaps: gaps.clone() }))
    })
}

/// Kills workers at random, every 500th time the supervisor; every 1000th death is a hang.
fn kill(host: &ActixHost<Line>, kills: u64, stream: &mut Stream) {
    let mut killed = 0;
    while killed < kills {
        let death = match stream.next_below(1_000) {
            0 => Death::Hang,
            n => Death::ALL[n as usize % 4],
        };
        let target = match stream.next_below(500) {
            0 => Target::Supervisor,
            n => Target::Worker(SlotId {
                stage: StageId((n % u32::from(STAGES)) as u16),
                index: stream.next_below(u32::from(WORKERS)) as u16,
            }),
        };
        killed += host.kill(target, death).len() as u64;
        std::thread::sleep(Duration::from_micros(20));
    }
}

struct Before {
    threads: u64,
    resident_kb: u64,
}

fn report(host: &ActixHost<Line>, before: &Before, gaps: &Mutex<Gaps>, kills: u64, took: Duration) {
    let (items, hash, twice, given_up) = host.read(|core| {
        let line = core.flow();
        (line.arrived_below, line.hash, line.twice, line.given_up)
    });
    assert_eq!((twice, given_up), (0, 0), "nothing twice, nothing lost");
    assert_eq!(hash, expected_hash(STAGES, items), "the same bytes");
    let deaths = host.read(Core::failures);
    let (committed, redelivered) = host.read(|core| {
        let counts = core.pools().iter().map(|pool| pool.ledger().counts());
        counts.fold((Vec::new(), 0), |(mut committed, redelivered), counts| {
            committed.push(counts.committed);
            (committed, redelivered + counts.redelivered)
        })
    });
    assert_eq!(committed, vec![items; usize::from(STAGES)], "every item committed once a stage");
    println!("{kills} kills ordered in {:.1} s; {deaths} deaths of workers", took.as_secs_f64());
    println!("supervisor restarts: {}", host.supervisor_restarts());
    println!("items: {items}, each committed once, hash {hash:016x} as undisturbed");
    let each = redelivered as f64 / deaths as f64;
    println!("redelivered a death: {each:.2} (window 2)");
    println!("death to next incarnation, both cores full: {}", percentiles(gaps));
    let (threads, resident) = (status("Threads"), status("VmRSS"));
    println!("threads: {} before, {threads} after", before.threads);
    println!("resident: {} kB before, {resident} kB after", before.resident_kb);
}

/// Takes the gaps so far.
fn percentiles(gaps: &Mutex<Gaps>) -> String {
    let mut micros = std::mem::take(&mut gaps.lock().expect("nobody panics with it").micros);
    micros.sort_unstable();
    let percentile = |p: f64| micros[((micros.len() - 1) as f64 * p) as usize];
    let (p50, p99, most) = (percentile(0.5), percentile(0.99), percentile(1.0));
    format!("p50 {p50} us, p99 {p99} us, most {most} us of {}", micros.len())
}

/// Two thousand deaths, each when the one before is replaced and nothing else is to be done.
async fn one_at_a_time(host: &ActixHost<Line>, gaps: &Mutex<Gaps>) {
    let known = || gaps.lock().expect("nobody panics with it").micros.len();
    let slots = |n: u16| SlotId { stage: StageId(n % STAGES), index: n % WORKERS };
    for n in 0..2_000 {
        let before = known();
        while host.kill(Target::Worker(slots(n)), Death::ALL[usize::from(n) % 4]).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while known() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    println!("death to next incarnation, nothing else to do: {}", percentiles(gaps));
}

fn main() {
    let kills = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(100_000);
    actix_rt::System::new().block_on(async {
        let gaps = Arc::new(Mutex::new(Gaps::default()));
        // Its room is used before it is measured.
        gaps.lock().expect("nobody panics with it").micros = vec![1; 2 * kills as usize];
        gaps.lock().expect("nobody panics with it").micros.clear();
        let mut plans = plans(STAGES, WORKERS);
        for plan in &mut plans {
            plan.hang_after_ms = 250;
        }
        let host = start(plans, vec![mortals(&gaps); usize::from(STAGES)], u64::MAX);
        let killer = host.clone();
        let killing = std::thread::spawn(move || {
            let mut stream = Stream::new(7, Purpose::Chaos, 0, 0);
            kill(&killer, WARM_UP, &mut stream);
            let before = Before { threads: status("Threads"), resident_kb: status("VmRSS") };
            let began = now();
            kill(&killer, kills, &mut stream);
            (before, began.elapsed())
        });
        while !killing.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (before, took) = killing.join().expect("the killer does not panic");
        host.update(Line::close);
        done(&host).await;
        // The last of the dead are replaced, the last zombies end.
        tokio::time::sleep(Duration::from_millis(500)).await;
        report(&host, &before, &gaps, kills, took);
        one_at_a_time(&host, &gaps).await;
        end(&host).await;
    });
}
