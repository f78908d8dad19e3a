import ByteIO
import ONNXFile
import ONNXGraph
import Tensors

/// Reads `bytes` as a model, looks into every tensor, lifts it to a graph and lowers it, lays it out for writing
/// and writes it again, as far as that goes; errors that are thrown are the right answer to a damaged file.
func exerciseReader(_ bytes: [UInt8]) {
  guard let model = try? ModelReader.read(MappedFile(copying: bytes, name: "fuzz.onnx")) else { return }

  // There is no such folder, so no external data is ever opened.
  let files = ExternalDataFiles(modelPath: "absent-folder/fuzz.onnx")
  model.forEachTensor { tensor in
    guard let content = try? TensorContent(tensor, external: files) else { return }
    precondition(
      content.elementType == .string
        || content.bytes.byteCount == content.elementType.byteCount(elementCount: content.shape.elementCount),
      "a tensor with another length than its shape needs")
    if content.shape.elementCount < 1 << 12 {
      _ = content.integers
      _ = content.floats
    }
  }
  try? files.checkOverlaps()

  // What is written is canonical: reading and writing it again changes no byte.
  let written = model.serialized()
  guard let again = try? ModelReader.read(MappedFile(copying: written, name: "written.onnx")) else {
    preconditionFailure("the reader refuses what the writer wrote")
  }
  precondition(again.serialized() == written, "writing again gives other bytes")
  exerciseGraph(again)

  guard
    let layout = try? ModelLayout(model, policy: .always, dataFileName: "fuzz.onnx.data", path: "fuzz.onnx")
  else { return }
  var modelEnd = 0
  var dataEnd = 0
  for extent in layout.extents {
    switch extent.part {
    case .model:
      precondition(extent.byteOffset >= modelEnd, "parts of the model overlap")
      modelEnd = extent.byteOffset + extent.bytes.byteCount
    case .data:
      precondition(extent.byteOffset >= dataEnd && extent.byteOffset % 64 == 0, "parts of the data overlap")
      dataEnd = extent.byteOffset + extent.bytes.byteCount
    }
  }
  precondition(modelEnd <= layout.modelByteCount && dataEnd == layout.dataByteCount ?? 0, "a wrong length")
}

/// Lifts a model and lowers it. What lowering gives is a fixed point: lifting and lowering it again changes no
/// byte, whether tensors whose data is missing are errors or are passed over.
private func exerciseGraph(_ model: ModelProto) {
  for policy in [TensorPolicy.required, .noted] {
    guard let graph = try? lifted(model, policy) else { continue }
    for node in graph.allNodes { _ = graph.label(of: node) }
    for graphID in graph.graphIDs { _ = graph.label(of: graphID) }
    let lowered = graph.lower().serialized()
    guard let read = try? ModelReader.read(MappedFile(copying: lowered, name: "lowered.onnx")) else {
      preconditionFailure("the reader refuses what lowering gave")
    }
    guard let again = try? lifted(read, policy) else {
      preconditionFailure("what lowering gave cannot be lifted")
    }
    precondition(again.lower().serialized() == lowered, "lifting and lowering again gives other bytes")
    precondition(
      again.allNodes.count == graph.allNodes.count && again.graphIDs.count == graph.graphIDs.count,
      "nodes or graphs are lost")
  }
}

private func lifted(_ model: ModelProto, _ policy: TensorPolicy) throws -> ModelGraph {
  // There is no such folder, so no external data is ever opened.
  try ModelGraph.lift(
    model, external: ExternalDataFiles(modelPath: "absent-folder/fuzz.onnx"), tensors: policy)
}
