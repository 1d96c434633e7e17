//! Reading a GGUF file: typed metadata and the raw bytes of tensors, every length checked against the file.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use candle_core::{
    Device,
    quantized::{GgmlDType, QStorage, QTensor, gguf_file},
};

use crate::EngineError;

/// Most bytes one tensor may have. The largest matrix of a model that a processor can serve (a 150,000 word
/// vocabulary times 8,192 dimensions in 32 bit) stays below it; a damaged header does not.
const MAX_TENSOR_BYTES: u64 = 8 << 30;

/// An open model file.
pub(crate) struct Gguf {
    content: gguf_file::Content,
    reader: BufReader<File>,
    bytes: u64,
}

/// A tensor as it lies in the file.
pub(crate) struct RawTensor {
    /// Rows; 1 for a vector.
    pub(crate) rows: usize,
    /// Elements of a row.
    pub(crate) columns: usize,
    /// How the elements are stored.
    pub(crate) kind: GgmlDType,
    /// The stored blocks.
    pub(crate) data: Vec<u8>,
}

impl Gguf {
    /// Opens a file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, EngineError> {
        let failed = |error: &dyn std::fmt::Display| {
            EngineError::Weights(format!("cannot read model file {}: {error}", path.display()))
        };
        let file = File::open(path).map_err(|error| failed(&error))?;
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        let mut reader = BufReader::new(file);
        let content = gguf_file::Content::read(&mut reader).map_err(|error| failed(&error))?;
        Ok(Self { content, reader, bytes })
    }

    fn value(&self, key: &str) -> Option<&gguf_file::Value> {
        self.content.metadata.get(key)
    }

    /// A text value, when present.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.to_string().ok().map(String::as_str)
    }

    /// A count, when present; any integer type is taken.
    pub(crate) fn count(&self, key: &str) -> Option<usize> {
        integer(self.value(key)?)
    }

    /// A count that the model cannot do without.
    pub(crate) fn required_count(&self, key: &str) -> Result<usize, EngineError> {
        self.count(key).ok_or_else(|| EngineError::Weights(format!("the model file has no `{key}`")))
    }

    /// A number, when present.
    pub(crate) fn number(&self, key: &str) -> Option<f32> {
        let value = self.value(key)?;
        value.to_f32().ok().or_else(|| value.to_f64().ok().map(|number| number as f32))
    }

    /// A yes or no, when present.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.value(key)?.to_bool().ok()
    }

    /// A list of texts that the model cannot do without.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, EngineError> {
        let wrong = || EngineError::Weights(format!("the model file has no list of texts `{key}`"));
        let values = self.value(key).and_then(|value| value.to_vec().ok()).ok_or_else(wrong)?;
        values.iter().map(|value| value.to_string().cloned().map_err(|_| wrong())).collect()
    }

    /// A list of integers, when present.
    pub(crate) fn integers(&self, key: &str) -> Option<Vec<usize>> {
        self.value(key)?.to_vec().ok()?.iter().map(integer).collect()
    }

    /// Whether the file holds a tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Reads the stored bytes of a tensor.
    pub(crate) fn raw(&mut self, name: &str) -> Result<RawTensor, EngineError> {
        let wrong = |what: String| EngineError::Weights(format!("tensor `{name}`: {what}"));
        let info = self.content.tensor_infos.get(name).ok_or_else(|| wrong("not in the file".into()))?;
        let kind = info.ggml_dtype;
        let (rows, columns) = match *info.shape.dims() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            ref dims => return Err(wrong(format!("{} dimensions, expected 1 or 2", dims.len()))),
        };
        if columns == 0 || rows == 0 || columns % kind.block_size() != 0 {
            return Err(wrong(format!("{rows} × {columns} elements do not fill blocks of {kind:?}")));
        }
        let blocks = (rows as u64).checked_mul((columns / kind.block_size()) as u64);
        let length = blocks.and_then(|blocks| blocks.checked_mul(kind.type_size() as u64));
        let start = self.content.tensor_data_offset.checked_add(info.offset);
        let end = start.zip(length).and_then(|(start, length)| start.checked_add(length));
        let (Some(start), Some(length), Some(end)) = (start, length, end) else {
            return Err(wrong("its size overflows".into()));
        };
        if end > self.bytes || length > MAX_TENSOR_BYTES {
            return Err(wrong("it reaches past the end of the file; fetch the model again".into()));
        }
        let mut data = vec![0; length as usize];
        self.reader.seek(SeekFrom::Start(start)).map_err(|error| wrong(error.to_string()))?;
        self.reader.read_exact(&mut data).map_err(|error| wrong(error.to_string()))?;
        Ok(RawTensor { rows, columns, kind, data })
    }

    /// Reads a tensor as 32-bit numbers, whatever its stored form.
    pub(crate) fn floats(&mut self, name: &str) -> Result<Vec<f32>, EngineError> {
        self.raw(name)?.floats()
    }
}

impl RawTensor {
    /// The elements as 32-bit numbers, row by row.
    pub(crate) fn floats(&self) -> Result<Vec<f32>, EngineError> {
        let decode = || -> candle_core::Result<Vec<f32>> {
            let storage = QStorage::from_data((&self.data).into(), &Device::Cpu, self.kind)?;
            let tensor = QTensor::new(storage, (self.rows, self.columns))?;
            tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()
        };
        decode().map_err(|error| EngineError::Weights(format!("cannot decode {:?}: {error}", self.kind)))
    }
}

fn integer(value: &gguf_file::Value) -> Option<usize> {
    use gguf_file::Value;
    match *value {
        Value::U8(number) => Some(number.into()),
        Value::U16(number) => Some(number.into()),
        Value::U32(number) => usize::try_from(number).ok(),
        Value::U64(number) => usize::try_from(number).ok(),
        Value::I8(number) => usize::try_from(number).ok(),
        Value::I16(number) => usize::try_from(number).ok(),
        Value::I32(number) => usize::try_from(number).ok(),
        Value::I64(number) => usize::try_from(number).ok(),
        _ => None,
    }
}
