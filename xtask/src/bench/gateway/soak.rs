//! `--soak`: whether the server grows under load that never changes.

use super::{
    peers::{Kind, Workshop},
    rig::{Closed, Rig, Streams},
    server::Server,
};

/// The first minutes fill pools and caches; from then on nothing may grow.
const SETTLED: usize = 2;
/// More than this share above the settled size is growth: an allocator breathes by less.
const GROWTH: f64 = 0.1;
/// Of each kind of load in a minute.
const SECONDS: &str = "29";

/// Loads the server for so many minutes, whole answers and streams in turn, and says how its memory went.
///
/// # Errors
/// When it grew, or requests failed.
pub(super) fn run(rig: &Rig, workshop: &Workshop, minutes: u32) -> anyhow::Result<()> {
    let server = workshop.start(Kind::Kubemate)?;
    let mut sizes = Vec::new();
    for minute in 1..=minutes {
        let size = minute_of(rig, &server)?;
        println!("      minute {minute} of {minutes}: {size:.1} MiB");
        sizes.push(size);
    }
    let Some(grown) = growth(&sizes) else {
        anyhow::bail!("a soak shorter than {} minutes shows nothing", SETTLED + 1);
    };
    println!("      grown by {:.1} % since minute {SETTLED}", grown * 100.0);
    anyhow::ensure!(grown <= GROWTH, "the server grows under load that does not change");
    Ok(())
}

/// Memory at the end of a minute, in MiB.
fn minute_of(rig: &Rig, server: &Server) -> anyhow::Result<f64> {
    let option = |name, value: &str| (name, value.to_owned());
    let whole: Closed = rig.ask(server, "closed", &[option("connections", "32"), option("seconds", SECONDS)])?;
    let paced = [option("connections", "100"), option("frames", "16"), option("gap-us", "20000")];
    let streams: Streams = rig.ask(server, "streams", &[&paced[..], &[option("seconds", SECONDS)]].concat())?;
    anyhow::ensure!(whole.errors == 0.0, "requests failed: {}", whole.first_error.unwrap_or_default());
    anyhow::ensure!(streams.broken == 0.0 && streams.verdict.faults == 0.0, "streams broke: {streams:?}");
    super::probes::memory(rig, server)
}

/// How much larger the largest size behind the settled minutes is than the settled one, as a share.
fn growth(sizes: &[f64]) -> Option<f64> {
    let (before, after) = sizes.split_at_checked(SETTLED)?;
    let most = after.iter().copied().max_by(f64::total_cmp)?;
    Some(most / before.last()? - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_counted_from_where_it_settled() {
        assert_eq!(growth(&[10.0, 20.0]), None);
        assert_eq!(growth(&[10.0, 20.0, 20.0, 25.0, 22.0]), Some(0.25));
    }
}
