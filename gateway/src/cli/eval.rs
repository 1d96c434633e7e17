//! `kubemate eval`: a golden set of questions asked of a knowledge base of a running server.

mod golden;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;
use kubemate_wire::{
    chat::ChatCompletion,
    citation::Annotation,
    vector_stores::{SearchPage, SearchResult},
};
use serde::Serialize;
use serde_json::json;

use self::golden::{Place, Question};
use super::{
    Context,
    chat::{here, wire::Server},
    print,
};

/// Ask a knowledge base a golden set of questions.
///
/// The set is a file with one JSON object a line: `question`, and what the right place is: `file` (name or id), `page`,
/// `text` (words that stand there), one of them or several. Reported are recall (the right place is among the results), the
/// mean reciprocal rank, and with --model the share of answers that cite the right place.
#[derive(Debug, Args)]
pub(super) struct Eval {
    /// The questions, one JSON object a line
    #[arg(value_name = "FILE")]
    questions: PathBuf,
    /// The vector store that is asked
    #[arg(long, value_name = "ID")]
    store: String,
    /// Results looked at, 1 to 50
    #[arg(long, default_value_t = 10, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50))]
    depth: u32,
    /// Let this model answer, too, and see what it cites
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Who orders the results once more: none, own, or a model of /v1/rerank [default: as configured]
    #[arg(long, value_name = "MODEL")]
    rerank: Option<String>,
    /// Fail when recall is below this, 0 to 1
    #[arg(long, value_name = "SHARE")]
    least_recall: Option<f64>,
    /// Root of the server, such as https://kubemate.example [default: this machine, as configured]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// API key; in the variable no other user of this machine can see it
    #[arg(long, env = "KUBEMATE_API_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

/// What was found out.
#[derive(Debug, Serialize)]
struct Report {
    questions: usize,
    recall: f64,
    mrr: f64,
    /// Share of answers that cite the right place; unset when no model was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    cited: Option<f64>,
    /// Questions whose right place was not found.
    missed: Vec<String>,
}

impl Eval {
    pub(super) async fn run(mut self, context: &Context) -> anyhow::Result<ExitCode> {
        let url = self.url.take().map_or_else(|| here(context), Ok)?;
        let server = Server::new(&url, self.key.as_deref())?;
        let file = self.questions.display().to_string();
        let text = std::fs::read_to_string(&self.questions).with_context(|| format!("cannot read {file}"))?;
        let questions = golden::read(&text).with_context(|| file)?;
        let report = self.ask_all(&server, &questions).await?;
        if context.json {
            print::json(&report)?;
        } else {
            report.show(self.depth);
        }
        let low = self.least_recall.is_some_and(|least| report.recall < least);
        Ok(if low { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn ask_all(&self, server: &Server, questions: &[Question]) -> anyhow::Result<Report> {
        let (mut reciprocal, mut cited, mut missed) = (0.0, 0_usize, Vec::new());
        for question in questions {
            match self.rank(server, question).await? {
                Some(rank) => reciprocal += 1.0 / rank as f64,
                None => missed.push(question.question.clone()),
            }
            if let Some(model) = &self.model {
                cited += usize::from(self.cites(server, model, question).await?);
            }
        }
        let count = questions.len();
        Ok(Report {
            questions: count,
            recall: share(count - missed.len(), count),
            mrr: reciprocal / count.max(1) as f64,
            cited: self.model.as_ref().map(|_| share(cited, count)),
            missed,
        })
    }

    /// The place of the first right result, from 1.
    async fn rank(&self, server: &Server, question: &Question) -> anyhow::Result<Option<usize>> {
        let mut body = json!({"query": question.question, "max_num_results": self.depth});
        if let (Some(rerank), Some(fields)) = (&self.rerank, body.as_object_mut()) {
            fields.insert("ranking_options".to_owned(), json!({ "rerank": rerank }));
        }
        let page: SearchPage = server.post(&format!("/v1/vector_stores/{}/search", self.store), &body).await?;
        let at = page.data.iter().position(|result| question.is_right(&found(result)));
        Ok(at.map(|at| at + 1))
    }

    /// Whether the model's answer cites the right place.
    async fn cites(&self, server: &Server, model: &str, question: &Question) -> anyhow::Result<bool> {
        let message = json!({"role": "user", "content": question.question});
        let body = json!({"model": model, "messages": [message], "vector_store_ids": [self.store]});
        let answer: ChatCompletion = server.post("/v1/chat/completions", &body).await?;
        let notes = answer.choices.iter().flat_map(|choice| &choice.message.annotations);
        Ok(notes.into_iter().any(|note| match note {
            Annotation::FileCitation(citation) => question.is_right(&Place {
                id: &citation.file_id,
                name: &citation.filename,
                pages: citation.page.map(|page| (page, page)),
                text: &citation.quote,
                is_quote: true,
            }),
            Annotation::UrlCitation(_) => false,
        }))
    }
}

fn found(result: &SearchResult) -> Place<'_> {
    let pages = result.page.map(|page| (page, result.page_end.unwrap_or(page)));
    let text = result.content.first().map(|part| part.text.as_str()).unwrap_or_default();
    Place { id: &result.file_id, name: &result.filename, pages, text, is_quote: false }
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

impl Report {
    fn show(&self, depth: u32) {
        let mut rows = vec![
            vec![format!("recall@{depth}"), format!("{:.3}", self.recall)],
            vec!["mean reciprocal rank".to_owned(), format!("{:.3}", self.mrr)],
        ];
        rows.extend(self.cited.map(|cited| vec!["cited the right place".to_owned(), format!("{cited:.3}")]));
        print::table(&[&format!("{} questions", self.questions), ""], &rows);
        for question in &self.missed {
            print::note(&format!("not found: {question}"));
        }
    }
}
