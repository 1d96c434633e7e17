//! `kubemate chat`: one question, a pipe, and a conversation on a terminal.

use std::{
    io::{Read, Write},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::harness::{Api, CHAT, Library, Server, kubemate, shared, tenant, until};

/// The client as a user of `api` starts it.
fn chat(api: &Api, arguments: &[&str]) -> Command {
    let mut command = Command::new(kubemate());
    command.args(arguments).arg("--url").arg(format!("http://{}", api.address));
    command.env("KUBEMATE_API_KEY", api.key.as_deref().expect("a key")).stdin(Stdio::null());
    command
}

/// Runs it with this piped in.
fn piped(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_and_refusals_are_told() {
    let api = tenant(shared().await, "talk-once").await;
    let answer = said(&chat(&api, &["chat", CHAT, "Say hello."]).output().expect("it runs"));
    assert!(answer.ends_with('\n') && !answer.trim().is_empty(), "{answer:?}");
    let line = said(&piped(chat(&api, &["--json", "chat", CHAT]), "用一句话介绍大海。\n"));
    let told: Value = serde_json::from_str(line.trim()).expect("one line of JSON");
    assert!(told["usage"]["completion_tokens"].as_u64() > Some(0), "{told}");
    assert!(!told["answer"].as_str().expect("text").is_empty() && told["model"] == CHAT, "{told}");
    let unknown = chat(&api, &["chat", "nobody", "Hi"]).output().expect("it runs");
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("`nobody` does not exist"));
    let stranger = chat(&api, &["chat", CHAT, "Hi", "--key", "km-no"]).output().expect("it runs");
    assert!(!stranger.status.success() && String::from_utf8_lossy(&stranger.stderr).contains("API key"));
    let chosen =
        said(&chat(&api, &["chat", "--system", "Answer in one word."]).arg(CHAT).arg("Hi").output().expect("it runs"));
    assert!(!chosen.trim().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_stand_below_the_answer() {
    let api = tenant(shared().await, "talk-sources").await;
    let library = Library::new(&api, "notes").await;
    library.index("潮汐.txt", "渡口的船在涨潮后一小时开。末班船十九点四十分离岸。".as_bytes()).await;
    let answer =
        said(&chat(&api, &["chat", CHAT, "末班船几点离岸？", "--store", &library.id]).output().expect("it runs"));
    assert!(answer.contains("[1] 潮汐.txt"), "{answer}");
}

/// The client on a terminal of its own, which `script` (bsdutils) makes.
struct Terminal {
    child: Child,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn open(server: &Server, api: &Api) -> Self {
        // `exec`: a shell that stays between, as dash does, takes Ctrl-C for itself, too, and ends with 130.
        let command = format!("exec {} chat {CHAT} --url http://{}", kubemate().display(), server.address);
        let mut script = Command::new("script");
        script.args(["-qefc", &command, "/dev/null"]).env("KUBEMATE_API_KEY", api.key.as_deref().expect("a key"));
        script.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = script.spawn().expect("script (Debian: bsdutils) starts");
        let screen = Arc::<Mutex<String>>::default();
        let (seen, mut output) = (screen.clone(), child.stdout.take().expect("a pipe"));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                seen.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { child, screen }
    }

    fn types(&mut self, text: &str) {
        let keys = self.child.stdin.as_mut().expect("a pipe");
        keys.write_all(text.as_bytes()).and_then(|()| keys.flush()).expect("it reads");
    }

    /// Waits for `text` on the screen, and wipes what stands up to its end.
    async fn shows(&self, text: &str) {
        until(&format!("`{text}` on the screen"), Duration::from_secs(120), async || {
            let mut screen = self.screen.lock().expect("no panic");
            screen.find(text).map(|at| drop(screen.drain(..at + text.len())))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_after_ctrl_c() {
    let server = shared().await;
    let api = tenant(server, "talk-terminal").await;
    let library = Library::new(&api, "notes").await;
    let mut terminal = Terminal::open(server, &api);
    terminal.shows("/help lists commands").await;
    terminal.shows("> ").await;
    terminal.types("/stores\r");
    terminal.shows(&library.id).await;
    terminal.types("/system 请简短回答。\r");
    terminal.shows("> ").await;
    terminal.types("/system\r");
    terminal.shows("请简短回答。").await;
    terminal.types("Write a very long story about the sea, at least a thousand words.\r");
    until("an answer under way", Duration::from_secs(120), async || {
        let screen = terminal.screen.lock().expect("no panic");
        screen.split_once("words.").filter(|(_, answer)| answer.trim().chars().count() > 20).map(|_| ())
    })
    .await;
    terminal.types("\u{3}");
    terminal.shows("stopped").await;
    terminal.types("/nonsense\r");
    terminal.shows("no command `/nonsense`").await;
    terminal.types("/quit\r");
    let child = &mut terminal.child;
    let ended = until("the end", Duration::from_secs(30), async || child.try_wait().expect("its state is known")).await;
    assert!(ended.success(), "{ended}");
}
