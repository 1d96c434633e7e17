//! The frames of the child process.

use kubemate_parse::Limits;
use kubemate_parse::worker::{MAX_HEADER_BYTES, Reply, Request, reply, request_head, serve};

use crate::{fixture, read};

fn request(filename: &str) -> Request {
    Request { filename: filename.to_owned(), media_type: None, limits: Limits::default() }
}

fn ask(request: &Request, file: &[u8]) -> Reply {
    let mut input = request_head(request, file.len() as u64).unwrap();
    input.extend_from_slice(file);
    let mut output = Vec::new();
    serve(&*input, &mut output).unwrap();
    for cut in [0, 7, output.len() - 1] {
        assert_eq!(reply(&output[..cut]).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    }
    reply(&output).unwrap()
}

#[test]
fn a_document_crosses_the_pipe_unchanged() {
    assert_eq!(ask(&request("tables.xlsx"), &fixture("tables.xlsx")), Reply::Document(read("tables.xlsx")));
}

#[test]
fn a_refusal_crosses_with_its_code_and_its_advice() {
    let Reply::Error(failure) = ask(&request("a.pdf"), &fixture("locked.pdf")) else { panic!("it was read") };
    assert_eq!(failure.code, "encrypted_file");
    assert!(failure.message.contains("remove the password"));
}

#[test]
fn a_file_above_the_limit_is_refused_before_it_is_read() {
    let mut request = request("a.txt");
    request.limits.max_input_bytes = 3;
    let Reply::Error(failure) = ask(&request, b"four") else { panic!("it was read") };
    assert_eq!(failure.code, "too_large");
}

#[test]
fn requests_may_follow_each_other_even_after_one_that_was_too_large() {
    let mut small = request("a.txt");
    small.limits.max_input_bytes = 3;
    let mut input = Vec::new();
    for (request, file) in [(small, &b"four"[..]), (request("b.txt"), b"second")] {
        input.extend(request_head(&request, file.len() as u64).unwrap());
        input.extend_from_slice(file);
    }
    let mut pipe = &*input;
    serve(&mut pipe, Vec::new()).unwrap();
    let mut output = Vec::new();
    serve(&mut pipe, &mut output).unwrap();
    let Reply::Document(document) = reply(&output).unwrap() else { panic!("it was not read") };
    assert_eq!((document.text.as_str(), pipe.len()), ("second", 0));
}

#[test]
fn requests_that_are_not_framed_are_errors() {
    let head = request_head(&request("a.txt"), 10).unwrap();
    let cut = [&head[..], b"short"].concat();
    assert!(serve(&*cut, Vec::new()).is_err());
    assert!(serve(&(MAX_HEADER_BYTES + 1).to_le_bytes()[..], Vec::new()).is_err());
    let unknown = b"{\"filename\":\"a\",\"colour\":1}";
    let frame = [&(unknown.len() as u32).to_le_bytes()[..], unknown, &[0; 8]].concat();
    assert!(serve(&*frame, Vec::new()).is_err());
}
