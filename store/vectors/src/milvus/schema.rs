//! What a collection looks like. Another set of fields is another [`LAYOUT`](crate::served::LAYOUT).

use std::collections::HashMap;

use milvus::v2::types::{
    CollectionSchema, DataType, FieldSchema, Function, FunctionType, IndexParam, IndexType, MetricType,
};

use crate::SpaceSpec;
use crate::served::{LAYOUT, shelf_name};

/// `tenant/space/point`, the primary key: writing a point again replaces it.
pub(super) const KEY: &str = "key";
/// The partition key.
pub(super) const TENANT: &str = "tenant";
pub(super) const SPACE: &str = "space";
/// The point's id.
pub(super) const POINT: &str = "point";
pub(super) const FILE: &str = "file";
/// The fingerprint of the file's id, for conditions.
pub(super) const FILE_KEY: &str = "file_key";
pub(super) const VERSION: &str = "version";
pub(super) const ORDINAL: &str = "ordinal";
/// From 1; 0 where the format has no pages.
pub(super) const PAGE: &str = "page";
/// Above 0 when the passage runs over more than one page.
pub(super) const PAGE_END: &str = "page_end";
/// In Unicode scalar values of the file's text, as the end.
pub(super) const SPAN_START: &str = "span_start";
pub(super) const SPAN_END: &str = "span_end";
pub(super) const HEADING: &str = "heading";
pub(super) const FILENAME: &str = "filename";
pub(super) const TEXT: &str = "text";
/// The caller's fields of the file, as given.
pub(super) const ATTRIBUTES: &str = "attributes";
/// Fingerprints of attributes with their values.
pub(super) const TAGS: &str = "tags";
/// Attributes that are numbers, by the fingerprints of their names.
pub(super) const NUMBERS: &str = "numbers";
/// The ids of the passage's terms as text: what the server's BM25 function reads.
pub(super) const TERMS: &str = "terms";
pub(super) const DENSE: &str = "dense";
/// Sparse: what the BM25 function makes of the terms, or our own weights.
pub(super) const WEIGHTS: &str = "weights";

/// Longest text of a field in bytes, the most that Milvus takes.
pub(super) const LONGEST: usize = 65_535;
/// Most elements of a list.
const MOST: u32 = 4096;
/// Parts that the server divides tenants into.
const PARTITIONS: i64 = 16;

/// How words are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// By the server's BM25 function.
    Function,
    /// By our own weights: for servers without that function.
    Weights,
}

impl Words {
    /// The name of the shelf that is made this way.
    pub(super) fn shelf(self, prefix: &str, spec: &SpaceSpec) -> String {
        let name = shelf_name(prefix, spec);
        match self {
            Self::Function => name,
            Self::Weights => format!("{name}{OWN}"),
        }
    }

    pub(super) fn of_shelf(name: &str) -> Self {
        if name.ends_with(OWN) { Self::Weights } else { Self::Function }
    }
}

/// How the names of shelves with our own weights end.
const OWN: &str = "_own";

/// The fields of a shelf.
pub(super) fn shelf(spec: &SpaceSpec, words: Words) -> CollectionSchema {
    let dense = FieldSchema::new().name(DENSE).data_type(DataType::FloatVector);
    let dense = dense.dimension(u32::try_from(spec.dimensions).unwrap_or(u32::MAX));
    let about = serde_json::json!({"made by": "kubemate", "layout": LAYOUT, "embedder": spec.embedder});
    let mut fields = vec![text(KEY, 512).primary_key(true), text(TENANT, 64).partition_key(true), text(SPACE, 128)];
    fields.extend([text(POINT, 36), text(FILE, LONGEST), text(FILE_KEY, 32)]);
    fields.extend([VERSION, ORDINAL, PAGE, PAGE_END, SPAN_START, SPAN_END].map(number));
    fields.extend([list(HEADING, LONGEST), text(FILENAME, LONGEST), text(TEXT, LONGEST)]);
    fields.extend([json(ATTRIBUTES), list(TAGS, 32), json(NUMBERS)]);
    fields.push(match words {
        Words::Function => {
            text(TERMS, LONGEST).enable_analyzer(true).analyzer_params(serde_json::json!({"tokenizer": "standard"}))
        }
        Words::Weights => list(TERMS, 8),
    });
    fields.extend([dense, FieldSchema::new().name(WEIGHTS).data_type(DataType::SparseFloatVector)]);
    let schema = CollectionSchema::new().description(about.to_string()).fields(fields);
    match words {
        Words::Function => {
            let bm25 = Function::new().name("bm25").function_type(FunctionType::Bm25);
            schema.add_function(bm25.input_fields([TERMS]).output_fields([WEIGHTS]))
        }
        Words::Weights => schema,
    }
}

/// The indexes of a shelf; `lists`: whether the server indexes the elements of lists.
pub(super) fn indexes(words: Words, lists: bool) -> Vec<IndexParam> {
    let metric = match words {
        Words::Function => MetricType::Bm25,
        Words::Weights => MetricType::Ip,
    };
    let mut indexes = vec![
        index(DENSE, IndexType::AutoIndex).metric_type(MetricType::Cosine),
        index(WEIGHTS, IndexType::SparseInvertedIndex).metric_type(metric),
    ];
    let fields = [SPACE, FILE_KEY].into_iter().chain(lists.then_some(TAGS));
    indexes.extend(fields.map(|field| index(field, IndexType::Inverted)));
    indexes
}

/// The fields of the register: an entry is JSON. A collection must have a vector, so there is one of no meaning.
pub(super) fn register() -> CollectionSchema {
    let nothing = FieldSchema::new().name(DENSE).data_type(DataType::FloatVector).dimension(2);
    let fields = vec![text(KEY, 256).primary_key(true), text(TENANT, 64), text(SPACE, 128), text(TEXT, 4096), nothing];
    CollectionSchema::new().description("made by kubemate: which spaces there are").fields(fields)
}

/// The indexes of the register.
pub(super) fn register_indexes() -> Vec<IndexParam> {
    vec![index(DENSE, IndexType::AutoIndex).metric_type(MetricType::Cosine)]
}

/// Into how many parts the server divides the tenants of a collection with this schema; none without a partition key.
pub(super) fn partitions(schema: &CollectionSchema) -> i64 {
    if schema.get_fields().iter().any(FieldSchema::is_partition_key) { PARTITIONS } else { 0 }
}

fn index(field: &str, kind: IndexType) -> IndexParam {
    IndexParam::new().field_name(field).index_name(field).index_type(kind).extra_params(HashMap::new())
}

fn text(name: &str, longest: usize) -> FieldSchema {
    let field = FieldSchema::new().name(name).data_type(DataType::VarChar);
    field.max_length(u32::try_from(longest).unwrap_or(u32::MAX))
}

fn list(name: &str, longest: usize) -> FieldSchema {
    text(name, longest).data_type(DataType::Array).element_type(DataType::VarChar).max_capacity(MOST)
}

fn number(name: &str) -> FieldSchema {
    FieldSchema::new().name(name).data_type(DataType::Int64)
}

fn json(name: &str) -> FieldSchema {
    FieldSchema::new().name(name).data_type(DataType::Json)
}
