//! Does memory stay flat while 10 million items go through four stages to a sink 100 times slower than the source?
//!
//! `cargo bench -p planaria-kernel --bench flat_memory [-- ITEMS]`

mod line;

use line::*;
use std::time::Duration;

/// Work a stage. The kernel's own share is the same in all of them.
const WORK: [Duration; 4] = [
    Duration::from_nanos(50),
    Duration::from_nanos(50),
    Duration::from_nanos(50),
    Duration::from_micros(5),
];

fn main() {
    let items = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(10_000_000);
    actix_rt::System::new().block_on(async {
        let work = |time| {
            maker(move |_, input, _| {
                spin(time);
                Ok(mix(input))
            })
        };
        let began = now();
        let host = start(plans(4, 1), WORK.into_iter().map(work).collect(), items);
        let arrived = || host.read(|core| core.flow().arrived_below);
        while arrived() < items / 50 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut resident = Vec::new();
        while arrived() < items {
            resident.push(status("VmRSS"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        done(&host).await;
        let took = began.elapsed().as_secs_f64();
        let (hash, twice) = host.read(|core| (core.flow().hash, core.flow().twice));
        assert_eq!((hash, twice), (expected_hash(4, items), 0));
        end(&host).await;
        let least = *resident.iter().min().expect("it was sampled");
        let most = *resident.iter().max().expect("it was sampled");
        println!("{items} items in {took:.1} s, {:.1} us an item", took * 1e6 / items as f64);
        println!("resident after 2 % of them, {} samples: {least} to {most} kB", resident.len());
        println!("most / least: {:.3} (at most 1.10)", most as f64 / least as f64);
    });
}
