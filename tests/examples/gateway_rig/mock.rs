//! The upstream: answers that are written already, to any number of connections.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::{Instant, sleep_until},
};

use crate::{
    Outcome,
    border::{Extent, Head},
    clock, frames,
};

#[derive(Debug, Args)]
pub(crate) struct MockArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// Frames of a stream whose prompt does not say `frames=N`.
    #[arg(long, default_value_t = 16)]
    frames: usize,
    /// Microseconds between frames when the prompt does not say `gap_us=N`.
    #[arg(long, default_value_t = 0)]
    gap_us: u64,
}

/// A text as long as models like to answer, in a completion with every field that OpenAI's have.
const COMPLETION: &str = concat!(
    r#"{"id":"chatcmpl-rig","object":"chat.completion","created":1750000000,"model":"mock","choices":[{"index":0,"#,
    r#""message":{"role":"assistant","content":"The pump's bearing set is replaced after 8,000 operating hours, or "#,
    r#"after two years, whichever comes first. Shut the pump down, close both valves and let the housing cool below "#,
    r#"40 degrees before you open it. The replacement takes about ninety minutes with the tools of the maintenance "#,
    r#"kit; note the serial number of the new set in the log book.","refusal":null,"annotations":[]},"#,
    r#""logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":42,"completion_tokens":78,"#,
    r#""total_tokens":120,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#,
    r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}},"system_fingerprint":"fp_rig"}"#
);
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"mock","object":"model","created":1750000000,"owned_by":"rig"}]}"#;
/// nginx turns its buffering off for an answer with `x-accel-buffering: no`.
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
                           x-accel-buffering: no\r\ntransfer-encoding: chunked\r\n\r\n";

/// Serves until the process is ended. The address is printed: port 0 takes a free one.
pub(crate) async fn serve(args: MockArgs) -> Outcome<()> {
    let listener = TcpListener::bind(args.listen).await?;
    crate::load::say(&format!("listening on {}", listener.local_addr()?))?;
    let args = Rc::new(args);
    loop {
        // A failed accept is a client that left, or a full file table that empties again.
        if let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true)?;
            spawn_local(Peer::new(stream, args.clone()).serve());
        }
    }
}

/// One connection.
struct Peer {
    stream: TcpStream,
    args: Rc<MockArgs>,
    read: Vec<u8>,
    completion: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream, args: Rc<MockArgs>) -> Self {
        Self { stream, args, read: Vec::with_capacity(4096), completion: json(200, COMPLETION) }
    }

    /// Answers until the other side leaves; how it left does not matter here.
    async fn serve(mut self) {
        while let Some(length) = self.request().await {
            let asked = Asked::read(self.read.get(..length).unwrap_or_default(), &self.args);
            let answered = match asked {
                Asked::Completion => self.stream.write_all(&self.completion).await,
                Asked::Stream(plan) => self.answer_stream(plan).await,
                Asked::Other(answer) => self.stream.write_all(&answer).await,
            };
            if answered.is_err() {
                return;
            }
            self.read.drain(..length);
        }
    }

    /// Reads until one request is whole; its length.
    async fn request(&mut self) -> Option<usize> {
        loop {
            if let Some(head) = Head::read(&self.read)
                && let Extent::Length(body) = head.body
                && self.read.len() >= head.length + body
            {
                return Some(head.length + body);
            }
            if self.stream.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn answer_stream(&mut self, plan: Plan) -> std::io::Result<()> {
        let mut out = STREAM_HEAD.as_bytes().to_vec();
        let (mut frame, mut due) = (Vec::with_capacity(512), Instant::now());
        for number in 0..plan.frames {
            if number > 0 && !plan.gap.is_zero() {
                due += plan.gap;
                sleep_until(due).await;
            }
            frame.clear();
            frames::write(number, clock::now(), &mut frame);
            chunk(&frame, &mut out);
            self.stream.write_all(&out).await?;
            out.clear();
        }
        chunk(frames::ending(plan.frames, plan.usage).as_bytes(), &mut out);
        out.extend_from_slice(b"0\r\n\r\n");
        self.stream.write_all(&out).await
    }
}

fn chunk(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

fn json(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Completion,
    Stream(Plan),
    Other(Vec<u8>),
}

/// How to stream.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    frames: usize,
    gap: Duration,
    usage: bool,
}

impl Asked {
    fn read(request: &[u8], args: &MockArgs) -> Self {
        if request.starts_with(b"POST /v1/chat/completions") {
            return Self::chat(request, args);
        }
        Self::Other(match request.get(..15).unwrap_or_default() {
            start if start.starts_with(b"GET /v1/models ") => json(200, MODELS),
            start if start.starts_with(b"GET /health") => json(200, "{}"),
            _ => json(404, r#"{"error":{"message":"the rig has no such path","type":"invalid_request_error"}}"#),
        })
    }

    fn chat(request: &[u8], args: &MockArgs) -> Self {
        // A completion is by far the most frequent; it is told by one search.
        if !flag(request, b"\"stream\":") {
            return Self::Completion;
        }
        let frames = value(request, b"frames=").and_then(|frames| usize::try_from(frames).ok());
        Self::Stream(Plan {
            frames: frames.unwrap_or(args.frames),
            gap: Duration::from_micros(value(request, b"gap_us=").unwrap_or(args.gap_us)),
            usage: flag(request, b"\"include_usage\":"),
        })
    }
}

fn after<'a>(request: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = request.windows(key.len()).position(|window| window == key)?;
    request.get(at + key.len()..)
}

fn flag(request: &[u8], key: &[u8]) -> bool {
    after(request, key).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"true"))
}

fn value(request: &[u8], key: &[u8]) -> Option<u64> {
    let rest = after(request, key)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Asked {
        let args = MockArgs { listen: ([127, 0, 0, 1], 0).into(), frames: 16, gap_us: 0 };
        Asked::read(format!("POST /v1/chat/completions HTTP/1.1\r\n\r\n{body}").as_bytes(), &args)
    }

    #[test]
    fn the_prompt_says_how_to_stream() {
        assert_eq!(asked(r#"{"stream":false}"#), Asked::Completion);
        let plan = Plan { frames: 16, gap: Duration::ZERO, usage: false };
        assert_eq!(asked(r#"{"stream": true}"#), Asked::Stream(plan));
        let plan = Plan { frames: 3, gap: Duration::from_millis(500), usage: true };
        let body = r#"{"m":"frames=3 gap_us=500000","stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(asked(body), Asked::Stream(plan));
    }

    #[test]
    fn the_completion_is_json() {
        let read: serde_json::Value = serde_json::from_str(COMPLETION).unwrap();
        assert_eq!(read["usage"]["prompt_tokens"], frames::PROMPT_TOKENS);
        serde_json::from_str::<serde_json::Value>(MODELS).unwrap();
    }
}
