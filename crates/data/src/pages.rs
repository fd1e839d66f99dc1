//! Verification of Parquet metadata before the Parquet reader uses it. A dictionary that claims
//! more values than its bytes can hold would make the reader allocate until the process is killed,
//! and metadata that claim very long lists would make it loop for hours.

use crate::described;
use crate::thrift::{self, Walk};
use bytes::Bytes;
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;

/// A Parquet file whose metadata are verified: the file metadata, and the header of each page.
pub(crate) struct DescribedFile {
    file: File,
    length: u64,
}

/// Size of the footer: the length of the file metadata, and the magic bytes.
const END: u64 = 8;

/// Bytes that are read first; nearly every page header is shorter.
const FIRST: usize = 1 << 10;

/// Longer page headers are rejected as damaged.
const LONGEST: usize = 1 << 26;

impl DescribedFile {
    /// Verifies the file metadata.
    pub(crate) fn new(file: File) -> Result<DescribedFile> {
        let looked = DescribedFile { length: file.metadata()?.len(), file };
        let Some(end) = looked.length.checked_sub(END) else { return Ok(looked) };
        let mut length = [0; 4];
        looked.file.read_exact_at(&mut length, end)?;
        let length = u64::from(u32::from_le_bytes(length));
        // Files that are not Parquet are reported by the reader.
        let Some(start) = end.checked_sub(length) else { return Ok(looked) };
        let mut description = vec![0; length as usize];
        looked.file.read_exact_at(&mut description, start)?;
        if thrift::walk(&description, described::FILE, length) == Walk::Whole {
            Ok(looked)
        } else {
            Err(impossible("the file"))
        }
    }

    fn look_at_page(&self, start: u64) -> Result<()> {
        let there =
            usize::try_from(self.length.saturating_sub(start)).unwrap_or(usize::MAX).min(LONGEST);
        let mut bytes = vec![];
        let mut wanted = FIRST;
        loop {
            let size = wanted.min(there);
            bytes.resize(size, 0);
            self.file.read_exact_at(&mut bytes, start)?;
            match thrift::walk(&bytes, described::PAGE, there as u64) {
                Walk::Whole => return Ok(()),
                Walk::CutOff if size < there => wanted *= 16,
                _ => return Err(impossible("a page")),
            }
        }
    }
}

fn impossible(what: &str) -> ParquetError {
    ParquetError::General(format!("the description of {what} is damaged"))
}

impl Length for DescribedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for DescribedFile {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<BufReader<File>> {
        if start.checked_add(END) != Some(self.length) {
            self.look_at_page(start)?;
        }
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF("it is cut off".into()));
        }
        self.file.get_bytes(start, length)
    }
}

/// A row group whose pages are verified.
pub(crate) struct Checked<'a>(pub Box<dyn RowGroupReader + 'a>);

impl RowGroupReader for Checked<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.0.metadata()
    }

    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn get_column_page_reader(&self, i: usize) -> Result<Box<dyn PageReader>> {
        Ok(Box::new(Pages(self.0.get_column_page_reader(i)?)))
    }

    fn get_column_bloom_filter(&self, i: usize) -> Option<&Sbbf> {
        self.0.get_column_bloom_filter(i)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

struct Pages(Box<dyn PageReader>);

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.0.get_next_page()?.map(checked).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.0.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.0.take_deferred_dictionary()?.map(checked).transpose()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.0.at_record_boundary()
    }
}

/// Rejects a dictionary with more values than bytes; each value takes at least one byte.
fn checked(page: Page) -> Result<Page> {
    match &page {
        Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() => {
            let said = format!("a dictionary of {} bytes claims {num_values} values", buf.len());
            Err(ParquetError::General(said))
        }
        _ => Ok(page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::Encoding;

    #[test]
    fn a_dictionary_that_claims_too_much_is_refused() {
        let page = |num_values| {
            let buf = vec![0; 12].into();
            checked(Page::DictionaryPage {
                buf,
                num_values,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            })
        };
        assert!(page(3).is_ok());
        let said = page(1 << 30).unwrap_err().to_string();
        assert!(said.contains("12 bytes claims 1073741824 values"), "{said}");
    }
}
