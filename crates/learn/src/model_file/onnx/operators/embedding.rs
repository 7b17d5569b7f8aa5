//! `Gather`: rows of a table, by ids. Ids flow as floats in our nets; ONNX wants whole numbers.

use super::super::OnnxError;
use super::super::messages::{Node, data_type};
use super::super::read::{Flow, Reader, Step};
use super::super::source::operator_error;
use super::super::write::{self, Writer, int, perm};
use super::{Settings, nothing};
use crate::Shape;
use crate::layer::embedding::Embedding;

/// The sequence `[batch, C, L]` of what stands in the table.
pub(super) fn write(writer: &mut Writer, path: &str, x: &write::Flow) -> String {
    let at = |part: &str| format!("{path}.{part}");
    let to = vec![int("to", data_type::INT64.into())];
    let ids = writer.node("Cast", &[&x.name], &at("ids"), to);
    let weight = writer.parameter(path, "weight", x);
    let rows = writer.node("Gather", &[&weight, &ids], &at("rows"), vec![int("axis", 0)]);
    writer.node("Transpose", &[&rows], path, perm(&[0, 2, 1]))
}

pub(super) fn read<'a>(
    reader: &mut Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let weight = reader.floats(node, 0)?;
    let (&[ids, channels], Shape::Features(_), 0) =
        (&*weight.shape, y.shape, Settings(node).int("axis", 0))
    else {
        let problem = "takes no rows of a table by ids".to_owned();
        return Err(operator_error(node, problem));
    };
    let layers = vec![(Embedding { ids, channels }.into(), vec![("weight", weight)])];
    Ok(Step { layers, flow: Flow { channels_last: true, ..y } })
}

/// Whole numbers for a table, or floats as they are.
pub(super) fn read_cast<'a>(
    reader: &Reader<'_, 'a>,
    node: &'a Node,
    y: Flow<'a>,
) -> Result<Step<'a>, OnnxError> {
    let is_table = |node: &usize| reader.source.nodes[*node].op_type == "Gather";
    let feeds_tables = reader.source.readers(y.name).iter().all(is_table);
    match i32::try_from(Settings(node).int("to", 0)) {
        Ok(data_type::FLOAT) => Ok(nothing(y)),
        Ok(data_type::INT64 | data_type::INT32) if feeds_tables => Ok(nothing(y)),
        _ => Err(operator_error(node, "makes other numbers than float32".to_owned())),
    }
}
