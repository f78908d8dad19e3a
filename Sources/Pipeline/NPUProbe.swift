import ByteIO
import FoundationEssentials
import ModelBackend
import ONNXFile
import OnnxRuntimeBackend
import Tensors

/// Runs a model of one node on the NPU.
struct NPUProbe {
  let isEmulated: Bool
  let qairtVersion: String
  let target: String
  /// Of loading and one run.
  let seconds: Double

  static func run(
    _ runtime: OnnxRuntime, _ libraries: QNNLibraries, _ backends: BackendChoice
  ) throws(BackendError) -> NPUProbe {
    let path = joined(
      FileManager.default.temporaryDirectory.path, "whisperq-probe-\(UInt64.random(in: 0 ... .max)).onnx")
    do throws(ONNXFileError) {
      try ModelOutput(model(), path: path, policy: .never).commit()
    } catch {
      throw BackendError(.failed, error.message)
    }
    defer { try? removeFile(path) }
    var options = QNNOptions()
    options.requirement = .allNodes
    do throws(PipelineError) { options.soc = try backends.soc() } catch {
      throw BackendError(.badFeed, error.message)
    }
    let clock = ContinuousClock()
    let start = clock.now
    let session = try runtime.openQNNSession(model: path, libraries: libraries, options)
    guard let shape = Shape([1, 4]) else { throw BackendError(.failed, "no shape") }
    let input = TensorContent(floats: [-1, 0, 1, 2], shape: shape)
    let results = try session.run(["x": input], outputs: ["y"])
    let expected: [Float] = [0, 0, 1, 2]
    guard let found = results["y"]?.floats, zip(found, expected).allSatisfy({ abs($0 - $1) < 0.01 }) else {
      throw BackendError(.failed, "the largest of 0 and each of -1, 0, 1, 2 came out wrong")
    }
    return NPUProbe(
      isEmulated: session.device == .emulatedNPU, qairtVersion: session.qairtVersion ?? "unknown",
      target: "\(options.soc.name) (\(options.soc.number))", seconds: (clock.now - start) / .seconds(1))
  }

  /// y = max(x, 0), with x of the shape [1, 4].
  static func model() -> ModelProto {
    func port(_ name: String) -> ValueInfoProto {
      var shape = TensorShapeProto()
      shape.dim = [Int64(1), 4].map { extent in
        var dimension = TensorShapeProto.Dimension()
        dimension.value = .value(extent)
        return dimension
      }
      var tensor = TypeProto.TensorType()
      tensor.elemType = ElementType.float32.rawValue
      tensor.shape = shape
      var type = TypeProto()
      type.value = .tensor(tensor)
      var info = ValueInfoProto()
      info.name = name
      info.type = type
      return info
    }
    var node = NodeProto()
    node.name = "probe"
    node.opType = "Relu"
    node.input = ["x"]
    node.output = ["y"]
    var graph = GraphProto()
    graph.name = "probe"
    graph.node = [node]
    graph.input = [port("x")]
    graph.output = [port("y")]
    var opset = OperatorSetIdProto()
    opset.version = 17
    var model = ModelProto()
    model.irVersion = 8
    model.graph = graph
    model.opsetImport = [opset]
    return model
  }
}
