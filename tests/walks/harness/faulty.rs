//! An upstream that answers as OpenAI would, or goes wrong as it is told.

mod wire;

pub(crate) use wire::WORD;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What an upstream does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    /// Answers.
    Well,
    /// Answers with this status.
    Refusing(u16),
    /// Reads the request and resets the connection.
    Resetting,
    /// Sends the head of an answer and so many events, then resets the connection.
    ResettingAfter(usize),
    /// Sends the head of an answer and so many events, then nothing more.
    StallingAfter(usize),
    /// Reads the request and says nothing.
    Silent,
    /// Sends two events and a third up to the middle of a character, then closes.
    CutInCharacter,
    /// Answers a stream byte by byte, its words in Chinese.
    ByteByByte,
    /// Answers a stream and closes without `[DONE]`.
    WithoutDone,
    /// Ends a stream twice.
    DoneTwice,
    /// Answers 200 with somebody else's page.
    Page,
    /// Sends the event that says why the model stopped, then nothing more.
    StallingBeforeDone,
    /// Sends events until its reader is gone.
    Endless,
}

use wire::{completion, event, head, plain, raw, some_events, whole_stream};

/// Events of a stream before the one that ends it.
pub(crate) const EVENTS: usize = 5;

/// A server on a port of its own.
pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    told: Arc<Told>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct Told {
    name: String,
    /// Where its API begins; elsewhere there is nothing.
    root: &'static str,
    /// What it lists as its models.
    models: Mutex<Vec<String>>,
    mood: Mutex<Mood>,
    seen: AtomicUsize,
    open: AtomicUsize,
}

impl Faulty {
    /// A server that is well.
    pub(crate) async fn start(name: &str) -> Self {
        Self::below(name, "/v1").await
    }

    /// The same, with its API elsewhere.
    pub(crate) async fn below(name: &str, root: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let told = Told {
            name: name.to_owned(),
            root,
            models: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            seen: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        };
        let faulty = Self { address, told: Arc::new(told), accepting: Mutex::new(None) };
        faulty.accept(listener);
        faulty
    }

    fn accept(&self, listener: TcpListener) {
        let told = self.told.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new(); // aborted with this task
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                connections.spawn(serve(stream, told.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        *self.accepting.lock().expect("not poisoned") = Some(accepting);
    }

    /// From now on it behaves like this.
    pub(crate) fn becomes(&self, mood: Mood) {
        *self.told.mood.lock().expect("not poisoned") = mood;
    }

    /// From now on it lists these models.
    pub(crate) fn lists(&self, models: &[&str]) {
        *self.told.models.lock().expect("not poisoned") = models.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Calls of models so far.
    pub(crate) fn seen(&self) -> usize {
        self.told.seen.load(Ordering::SeqCst)
    }

    /// Requests whose connection is open and whose answer is not whole.
    pub(crate) fn open(&self) -> usize {
        self.told.open.load(Ordering::SeqCst)
    }

    /// Closes everything, as a process that was killed does.
    pub(crate) async fn dies(&self) {
        let accepting = self.accepting.lock().expect("not poisoned").take();
        if let Some(accepting) = accepting {
            accepting.abort();
            let _aborted = accepting.await;
        }
    }

    /// Listens again on the same port.
    pub(crate) async fn returns(&self) {
        self.accept(TcpListener::bind(self.address).await.expect("the port is free"));
    }

    /// Its entry in the configuration, with `more` settings.
    pub(crate) fn config(&self, more: &str) -> String {
        let name = &self.told.name;
        format!(
            "[[upstreams]]\nname = \"{name}\"\nkind = \"openai\"\nbase_url = \"http://{}/v1\"\n{more}\n",
            self.address
        )
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().expect("not poisoned").take() {
            accepting.abort();
        }
    }
}

impl Told {
    /// What it says to requests that call no model.
    fn beside(&self, path: &str) -> Option<(u16, String)> {
        let Some(path) = path.strip_prefix(self.root) else { return Some((404, "{}".to_owned())) };
        if path != "/models" {
            return None;
        }
        if let Mood::Refusing(status) = *self.mood.lock().expect("not poisoned") {
            return Some((status, "{}".to_owned()));
        }
        let models = self.models.lock().expect("not poisoned");
        let entries: Vec<String> =
            models.iter().map(|id| format!("{{\"id\":\"{id}\",\"object\":\"model\"}}")).collect();
        Some((200, format!("{{\"object\":\"list\",\"data\":[{}]}}", entries.join(","))))
    }
}

/// Counts a request as open until its answer is whole or its connection gone.
struct Open<'a>(&'a Told);

impl<'a> Open<'a> {
    fn new(told: &'a Told) -> Self {
        told.open.fetch_add(1, Ordering::SeqCst);
        Self(told)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(mut stream: TcpStream, told: Arc<Told>) {
    stream.set_nodelay(true).expect("an option");
    while let Some((path, body)) = request(&mut stream).await {
        if let Some((status, text)) = told.beside(&path) {
            if plain(&mut stream, status, &text).await.is_err() {
                return;
            }
            continue;
        }
        told.seen.fetch_add(1, Ordering::SeqCst);
        let _open = Open::new(&told);
        let mood = *told.mood.lock().expect("not poisoned");
        let streams = body.contains("\"stream\":true");
        let served = match mood {
            Mood::Silent | Mood::CutInCharacter | Mood::StallingBeforeDone | Mood::Endless => {
                return breaking(&mut stream, &told.name, mood).await;
            }
            Mood::ByteByByte if streams => wire::byte_by_byte(&mut stream).await,
            Mood::ByteByByte => plain(&mut stream, 200, &completion(WORD)).await,
            Mood::WithoutDone => wire::ended(&mut stream, &told.name, "").await,
            Mood::DoneTwice => wire::ended(&mut stream, &told.name, "data: [DONE]\n\ndata: [DONE]\n\n").await,
            Mood::Page => wire::page(&mut stream).await,
            Mood::Well if streams => whole_stream(&mut stream, &told.name).await,
            Mood::Well => plain(&mut stream, 200, &completion(&told.name)).await,
            Mood::Refusing(status) => {
                plain(&mut stream, status, "{\"error\":{\"message\":\"told to refuse\",\"type\":\"t\"}}").await
            }
            Mood::Resetting => return reset(&stream),
            Mood::ResettingAfter(count) => {
                some_events(&mut stream, &told.name, count).await;
                return reset(&stream);
            }
            Mood::StallingAfter(count) => {
                some_events(&mut stream, &told.name, count).await;
                let _until_it_is_closed = stream.read(&mut [0; 16]).await;
                return;
            }
        };
        if served.is_err() {
            return;
        }
    }
}

/// The moods after which the connection serves no more.
async fn breaking(stream: &mut TcpStream, name: &str, mood: Mood) {
    match mood {
        Mood::CutInCharacter => {
            some_events(stream, name, 2).await;
            let whole = event(&format!("{{\"content\":\"{WORD}\"}}"), "null");
            let cut = whole.find(WORD).expect("its word") + 1;
            let _reader_may_have_left = raw(stream, &whole.as_bytes()[..cut]).await;
            return; // closes; a reset could overtake what was sent
        }
        Mood::StallingBeforeDone => {
            some_events(stream, name, 1).await;
            let _reader_may_have_left = raw(stream, event("{}", "\"stop\"").as_bytes()).await;
        }
        Mood::Endless => {
            let _reader_may_have_left = raw(stream, head().as_bytes()).await;
            let one = event(&format!("{{\"content\":\"{}\"}}", name.repeat(1000)), "null");
            while raw(stream, one.as_bytes()).await.is_ok() {}
        }
        _ => {}
    }
    let _until_it_is_closed = stream.read(&mut [0; 16]).await;
}

/// Closes so that the other side sees a reset.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().expect("an option");
}

/// Path and body of the next request; none at the connection's end.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a number"));
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let path = text.split(' ').nth(1).expect("a path").to_owned();
    Some((path, String::from_utf8_lossy(&bytes[head..]).into_owned()))
}
