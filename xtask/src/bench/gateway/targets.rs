//! What issue and design ask of the gateway, and whether a run shows it.

use serde::Serialize;

use super::{
    figures::Figures,
    peers::Kind,
    probes::{FAULTS, FIRST_P99, IDLE, MEMORY_HIT, P50_1, READY, REDIS_HIT, RPS_32, STREAM_KIB, WHOLE},
};

/// One target.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Target {
    pub(super) what: &'static str,
    /// What was measured for it, in words.
    pub(super) measured: String,
    pub(super) holds: bool,
}

const OURS: Kind = Kind::Kubemate;

/// Every target for which this run measured enough.
pub(super) fn judged(figures: &Figures) -> Vec<Target> {
    [speed(figures), latency(figures), multiple(figures), routers(figures), first_token(figures)]
        .into_iter()
        .chain([streams(figures), stream_memory(figures), memory_hit(figures), redis_hit(figures)])
        .chain([idle(figures), ready(figures)])
        .flatten()
        .collect()
}

fn speed(figures: &Figures) -> Option<Target> {
    let share = figures.median(RPS_32, OURS)? / figures.median(RPS_32, Kind::Nginx)?;
    let what = "at least 0.8 x nginx's requests a second at 32 connections";
    Some(Target { what, measured: format!("{share:.2} x"), holds: share >= 0.8 })
}

fn latency(figures: &Figures) -> Option<Target> {
    let more = figures.median(P50_1, OURS)? - figures.median(P50_1, Kind::Nginx)?;
    let what = "p50 at one connection at most nginx + 60 µs";
    Some(Target { what, measured: format!("{more:+.0} µs"), holds: more <= 60.0 })
}

fn multiple(figures: &Figures) -> Option<Target> {
    let times = figures.median(RPS_32, OURS)? / figures.median(RPS_32, Kind::LiteLlm)?;
    let what = "at least 300 x LiteLLM's requests a second at 32 connections";
    Some(Target { what, measured: format!("{times:.0} x"), holds: times >= 300.0 })
}

fn routers(figures: &Figures) -> Option<Target> {
    let rivals = [Kind::Smg, Kind::VllmRouter];
    let rows = figures.rows().iter().flat_map(|row| rivals.map(|rival| (row, rival)));
    let compared: Vec<_> = rows.filter_map(|(row, rival)| Some((row, rival, row.times(OURS, rival)?))).collect();
    let behind = compared.iter().filter(|(_, _, times)| *times < 1.0);
    let behind: Vec<_> =
        behind.map(|(row, rival, times)| format!("{} ({} {times:.2} x)", row.what, rival.name())).collect();
    let measured = match behind.as_slice() {
        [] => format!("in all of {}", compared.len()),
        rows => format!("not in {}", rows.join("; ")),
    };
    let what = "ahead of smg and vllm-router in every row";
    (!compared.is_empty()).then_some(Target { what, measured, holds: behind.is_empty() })
}

fn first_token(figures: &Figures) -> Option<Target> {
    let added = figures.added(FIRST_P99, OURS)?;
    let what = "added first-token p99 under 300 µs at one connection";
    Some(Target { what, measured: format!("{added:.0} µs"), holds: added < 300.0 })
}

fn streams(figures: &Figures) -> Option<Target> {
    // One fault in one round is one too many: the median would hide it.
    let (lost, faults) = (figures.most(WHOLE, OURS)?, figures.most(FAULTS, OURS)?);
    let measured = format!("{lost:.0} streams, {faults:.0} frames");
    let what = "2,000 paced streams held, no frame lost or joined";
    Some(Target { what, measured, holds: lost == 0.0 && faults == 0.0 })
}

fn stream_memory(figures: &Figures) -> Option<Target> {
    let each = figures.median(STREAM_KIB, OURS)?;
    Some(Target { what: "at most 20 KiB a stream", measured: format!("{each:.1} KiB"), holds: each <= 20.0 })
}

fn memory_hit(figures: &Figures) -> Option<Target> {
    let (hit, hop) = (figures.median(MEMORY_HIT, OURS)?, figures.median(P50_1, Kind::Nginx)?);
    let measured = format!("{hit:.0} µs, nginx {hop:.0} µs");
    Some(Target { what: "memory-cache hit faster than the nginx hop", measured, holds: hit < hop })
}

fn redis_hit(figures: &Figures) -> Option<Target> {
    let hit = figures.median(REDIS_HIT, OURS)?;
    Some(Target { what: "Redis hit p50 under 300 µs", measured: format!("{hit:.0} µs"), holds: hit < 300.0 })
}

fn idle(figures: &Figures) -> Option<Target> {
    let idle = figures.median(IDLE, OURS)?;
    let what = "idle under 40 MB without local models";
    // The target is in megabytes, the row in mebibytes.
    let megabytes = idle * 1.048_576;
    Some(Target { what, measured: format!("{megabytes:.1} MB"), holds: megabytes < 40.0 })
}

fn ready(figures: &Figures) -> Option<Target> {
    let ready = figures.median(READY, OURS)?;
    Some(Target { what: "ready under 200 ms", measured: format!("{ready:.0} ms"), holds: ready < 200.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gateway::figures::Figure;

    fn figures(ours: f64, others: &[(Kind, f64)]) -> Figures {
        let mut figures = Figures::default();
        figures.add(OURS, vec![Figure::new(RPS_32, "req/s", ours)]);
        for (kind, value) in others {
            figures.add(*kind, vec![Figure::new(RPS_32, "req/s", *value)]);
        }
        figures
    }

    #[test]
    fn a_target_without_its_peer_is_not_judged() {
        assert_eq!(judged(&figures(1.0, &[])), []);
    }

    #[test]
    fn shares_and_multiples_are_of_the_same_row() {
        let targets = judged(&figures(9_000.0, &[(Kind::Nginx, 10_000.0), (Kind::LiteLlm, 50.0)]));
        let said: Vec<_> = targets.iter().map(|target| (target.measured.as_str(), target.holds)).collect();
        assert_eq!(said, [("0.90 x", true), ("180 x", false)]);
    }

    #[test]
    fn rows_in_which_a_router_is_ahead_are_named() {
        let targets = judged(&figures(100.0, &[(Kind::Smg, 50.0), (Kind::VllmRouter, 200.0)]));
        assert_eq!(targets[0].measured, "not in requests, 32 connections (vllm-router 0.50 x)");
        assert!(!targets[0].holds);
        let targets = judged(&figures(100.0, &[(Kind::Smg, 50.0), (Kind::VllmRouter, 90.0)]));
        assert_eq!((targets[0].measured.as_str(), targets[0].holds), ("in all of 2", true));
    }
}
