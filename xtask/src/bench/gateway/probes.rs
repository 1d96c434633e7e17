//! What is measured of each server, and for how long.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::{
    figures::{Figure, Figures},
    peers::{KEPT, Kind, Workshop},
    rig::{Closed, Hold, Open, Rig, Streams},
    server::Server,
};

/// How often and how long. Many short rounds rather than few long ones: what else the machine does then meets all alike.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) rounds: u32,
    pub(super) probes: Vec<Probe>,
    /// Of each probe.
    seconds: f64,
    starts: usize,
    /// Frames of each stream that is held; two come a second.
    held_frames: u32,
}

impl Pace {
    pub(super) fn whole() -> Self {
        let probes = [1, 32, 256].map(Probe::Closed).into_iter().chain([100, 1000, 4000].map(Probe::Open));
        let probes = probes.chain([Probe::First, Probe::Frames, Probe::Hit(1), Probe::Hit(32)]).collect();
        Self { rounds: 5, probes, seconds: 1.0, starts: 3, held_frames: 16 }
    }

    pub(super) fn quick() -> Self {
        let probes =
            vec![Probe::Closed(1), Probe::Closed(32), Probe::Closed(256), Probe::First, Probe::Frames, Probe::Hit(1)];
        Self { rounds: 1, probes, seconds: 1.0, starts: 1, held_frames: 8 }
    }
}

/// Rows that targets ask for.
pub(super) const RPS_32: &str = "requests, 32 connections";
pub(super) const P50_1: &str = "p50, 1 connection";
pub(super) const FIRST_P50: &str = "first token p50, 1 connection";
pub(super) const FIRST_P99: &str = "first token p99, 1 connection";
pub(super) const FRAME_P50: &str = "delay of a paced frame p50";
pub(super) const STREAM_KIB: &str = "memory of a stream, 2,000 held";
pub(super) const WHOLE: &str = "streams lost, 2,000 held";
pub(super) const FAULTS: &str = "frames lost, joined or out of order";
pub(super) const MEMORY_HIT: &str = "p50, memory-cache hit, 1 connection";
pub(super) const REDIS_HIT: &str = "p50, Redis hit, 1 connection";
pub(super) const FAILED: &str = "requests that failed, closed loop";
pub(super) const IDLE: &str = "memory, idle";
pub(super) const READY: &str = "cold start";

/// Streams held at once, as the issue has it.
const STREAMS: f64 = 2000.0;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// So many connections, each asking as soon as it is answered.
    Closed(u32),
    /// So many requests due each second.
    Open(u32),
    /// One connection, paced streams.
    First,
    /// Eight connections, streams as fast as they are taken.
    Frames,
    /// So many connections, each asking what is kept in memory. Only Kubemate keeps answers here.
    Hit(u32),
}

impl Probe {
    pub(super) fn is_for(self, kind: Kind) -> bool {
        !matches!(self, Self::Hit(_)) || kind == Kind::Kubemate
    }

    /// Whether a server that answers at most `rps` would only fall behind: its backlog would burden whoever comes next.
    pub(super) fn is_beyond(self, rps: Option<f64>) -> bool {
        match (self, rps) {
            (Self::Open(rate), Some(rps)) => f64::from(rate) > rps,
            _ => false,
        }
    }

    /// LiteLLM answers 256 connections and eight whole streams not even once in a second.
    fn seconds(self, kind: Kind, pace: &Pace) -> f64 {
        let slow = kind == Kind::LiteLlm && matches!(self, Self::Closed(256) | Self::Frames);
        if slow { pace.seconds * 4.0 } else { pace.seconds }
    }

    pub(super) fn run(self, rig: &Rig, server: &Server, pace: &Pace) -> anyhow::Result<Vec<Figure>> {
        let seconds = ("seconds", self.seconds(server.kind, pace).to_string());
        match self {
            Self::Closed(connections) => {
                let options = [("connections", connections.to_string()), seconds];
                Ok(closed(connections, &rig.ask(server, "closed", &options)?, server))
            }
            Self::Hit(connections) => {
                Ok(hit("memory-cache", connections, &kept(rig, server, connections, pace.seconds)?))
            }
            Self::Open(rate) => Ok(open(rate, &rig.ask(server, "open", &[("rate", rate.to_string()), seconds])?)),
            Self::First => {
                let options = [("frames", "8".to_owned()), ("gap-us", "3000".to_owned()), seconds];
                Ok(first(&rig.ask(server, "streams", &options)?))
            }
            Self::Frames => {
                let options = [("connections", "8".to_owned()), ("frames", "256".to_owned()), seconds];
                Ok(frames(&rig.ask(server, "streams", &options)?, server))
            }
        }
    }
}

fn closed(connections: u32, found: &Closed, server: &Server) -> Vec<Figure> {
    let with = if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
    // A few that failed among thousands are told in their own row; speed bought with failures is none.
    let good = found.requests > 0.0 && found.errors <= found.requests / 100.0;
    let mut figures = vec![
        Figure::new(FAILED, "requests", found.errors),
        Figure::new(format!("requests, {with}"), "req/s", found.rps),
        Figure::new(format!("p50, {with}"), "µs", found.latency.p50_us),
        Figure::new(format!("p99, {with}"), "µs", found.latency.p99_us),
    ];
    if server.pid().is_some() {
        figures.push(Figure::new(format!("CPU of 1,000 requests, {with}"), "ms", found.cpu_us_per_request));
        if connections > 32 {
            figures.push(Figure::new("memory, loaded", "MiB", found.rss_after_kib / 1024.0));
        }
    }
    figures.into_iter().map(|figure| if figure.what == FAILED { figure } else { figure.when(good) }).collect()
}

/// Asks what is kept, once so that it is, and then so that anything but a hit is an error.
fn kept(rig: &Rig, server: &Server, connections: u32, seconds: f64) -> anyhow::Result<Closed> {
    let options = |seconds: f64, expected: &str| {
        let numbers = [("connections", connections.to_string()), ("seconds", seconds.to_string())];
        [&numbers[..], &[("model", KEPT.to_owned()), ("expect", expected.to_owned())]].concat()
    };
    rig.ask::<Closed>(server, "closed", &options(0.1, ""))?;
    rig.ask(server, "closed", &options(seconds, "x-kubemate-cache: hit"))
}

/// What is served from a cache instead of the upstream.
pub(super) fn hit(cache: &str, connections: u32, found: &Closed) -> Vec<Figure> {
    let good = found.requests > 0.0 && found.errors == 0.0;
    let figure = match connections {
        1 => Figure::new(format!("p50, {cache} hit, 1 connection"), "µs", found.latency.p50_us),
        many => Figure::new(format!("requests, {cache} hit, {many} connections"), "req/s", found.rps),
    };
    vec![figure.when(good)]
}

/// A server that falls behind has no latency at that rate.
fn open(rate: u32, found: &Open) -> Vec<Figure> {
    let kept = found.errors == 0.0 && found.answered >= 0.99 * found.due && found.latency.p50_us < 1e6;
    vec![
        Figure::new(format!("p50, {rate} due a second"), "µs", found.latency.p50_us).when(kept),
        Figure::new(format!("p99, {rate} due a second"), "µs", found.latency.p99_us).when(kept),
    ]
}

fn first(found: &Streams) -> Vec<Figure> {
    let good = found.verdict.whole > 0.0 && found.broken == 0.0;
    vec![
        Figure::new(FIRST_P50, "µs", found.first.p50_us).when(good),
        Figure::new(FIRST_P99, "µs", found.first.p99_us).when(good),
        Figure::new(FRAME_P50, "µs", found.delay.p50_us).when(good),
        Figure::new(FAULTS, "frames", found.verdict.faults),
    ]
}

fn frames(found: &Streams, server: &Server) -> Vec<Figure> {
    let good = found.verdict.whole > 0.0 && found.broken == 0.0;
    let mut figures = vec![
        Figure::new("frames, 8 streams unpaced", "frames/s", found.frames_per_second).when(good),
        Figure::new(FAULTS, "frames", found.verdict.faults),
    ];
    if server.pid().is_some() {
        figures.push(Figure::new("CPU of 1,000 frames, unpaced", "ms", found.cpu_us_per_frame).when(good));
    }
    figures
}

/// Starts a server some times; the last one stays, is looked at while idle, and holds its streams before any load has
/// grown it.
pub(super) fn from_cold(
    rig: &Rig,
    workshop: &Workshop,
    kind: Kind,
    pace: &Pace,
    figures: &mut Figures,
) -> anyhow::Result<Server> {
    let mut server = workshop.start(kind)?;
    if kind == Kind::Direct {
        return Ok(server);
    }
    let again = if kind == Kind::LiteLlm { 0 } else { pace.starts };
    for _ in 0..again {
        drop(server);
        server = workshop.start(kind)?;
        figures.add(kind, vec![Figure::new(READY, "ms", server.ready.as_secs_f64() * 1000.0)]);
    }
    if again == 0 {
        figures.add(kind, vec![Figure::new(READY, "ms", server.ready.as_secs_f64() * 1000.0)]);
    }
    thread::sleep(Duration::from_secs(1)); // what a start leaves behind settles
    figures.add(kind, vec![Figure::new(IDLE, "MiB", memory(rig, &server)?)]);
    warm(rig, &server)?;
    if kind == Kind::Kubemate {
        figures.add(kind, redis_hit(rig, workshop)?);
    }
    // Two thousand streams take LiteLLM minutes, and its memory is no question.
    if kind != Kind::LiteLlm {
        figures.add(kind, hold(rig, &server, pace)?);
    }
    Ok(server)
}

/// From a server of its own whose cache is a Redis server, with nothing in front of it.
fn redis_hit(rig: &Rig, workshop: &Workshop) -> anyhow::Result<Vec<Figure>> {
    let (redis, server) = workshop.start_with_redis()?;
    let found = kept(rig, &server, 1, 2.0)?;
    drop((server, redis));
    Ok(hit("Redis", 1, &found))
}

/// Waits until a server has worked off what nobody waits for any more.
pub(super) fn settle(rig: &Rig, server: &Server) -> anyhow::Result<()> {
    const QUIET_US: f64 = 20_000.0; // of the 200,000 that are looked at
    for _ in 0..50 {
        let none = [("connections", "0".to_owned()), ("seconds", "0.2".to_owned()), ("warm", "0".to_owned())];
        // Without requests the rig tells the time of one.
        if rig.ask::<Closed>(server, "closed", &none)?.cpu_us_per_request < QUIET_US {
            return Ok(());
        }
    }
    Ok(())
}

/// Resident memory now, in MiB, read by a load of none.
pub(super) fn memory(rig: &Rig, server: &Server) -> anyhow::Result<f64> {
    let none = [("connections", "0".to_owned()), ("seconds", "0".to_owned()), ("warm", "0".to_owned())];
    Ok(rig.ask::<Closed>(server, "closed", &none)?.rss_before_kib / 1024.0)
}

/// Asks until answers come: the first ones load and connect.
fn warm(rig: &Rig, server: &Server) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let options = [("connections", "8".to_owned()), ("seconds", "1".to_owned()), ("warm", "0".to_owned())];
        let found: Closed = rig.ask(server, "closed", &options)?;
        if found.requests > 0.0 && found.errors == 0.0 {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(60) {
            bail!("{} answers no chat request: {}", server.kind.name(), found.first_error.unwrap_or_default());
        }
    }
}

fn hold(rig: &Rig, server: &Server, pace: &Pace) -> anyhow::Result<Vec<Figure>> {
    let options = [
        ("streams", STREAMS.to_string()),
        ("frames", pace.held_frames.to_string()),
        ("gap-us", "500000".to_owned()),
        ("ramp", "1000".to_owned()),
    ];
    let found: Hold = rig.ask(server, "hold", &options)?;
    Ok(vec![
        Figure::new(STREAM_KIB, "KiB", found.kib_per_stream).when(found.broken == 0.0),
        Figure::new(WHOLE, "streams", STREAMS - found.verdict.whole),
        Figure::new(FAULTS, "frames", found.verdict.faults),
        Figure::new("delay of a frame p50, 2,000 held", "µs", found.delay.p50_us),
        Figure::new("delay of a frame p99, 2,000 held", "µs", found.delay.p99_us),
        Figure::new("CPU of 1,000 frames, 2,000 held", "ms", found.cpu_us_per_frame),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_told_under_the_names_that_targets_ask_for() {
        let text = r#"{"requests":9,"errors":0,"rps":9.0,"latency":{"p50_us":5.0,"p99_us":6.0},"cpu_us_per_request":1.0,
            "rss_before_kib":1,"rss_after_kib":1,"first_error":null}"#;
        let found: Closed = serde_json::from_str(text).unwrap();
        assert_eq!(hit("memory-cache", 1, &found), [Figure::new(MEMORY_HIT, "µs", 5.0)]);
        assert_eq!(hit("Redis", 1, &found), [Figure::new(REDIS_HIT, "µs", 5.0)]);
        assert!(Probe::Hit(1).is_for(Kind::Kubemate) && !Probe::Hit(1).is_for(Kind::Nginx));
    }

    #[test]
    fn a_rate_that_is_not_kept_has_no_latency() {
        let found = |answered, errors| {
            let text = format!(
                r#"{{"due":1000,"answered":{answered},"errors":{errors},"latency":{{"p50_us":90.0,"p99_us":200.0}}}}"#
            );
            open(1000, &serde_json::from_str(&text).unwrap())
        };
        assert_eq!(found(1000, 0)[0], Figure::new("p50, 1000 due a second", "µs", 90.0));
        assert!(Probe::Open(1000).is_beyond(Some(200.0)) && !Probe::Open(1000).is_beyond(Some(2000.0)));
        assert!(!Probe::Closed(32).is_beyond(Some(1.0)) && !Probe::Open(1).is_beyond(None));
        assert!(found(900, 0).iter().chain(&found(1000, 1)).all(|figure| figure.value.is_none()));
    }
}
