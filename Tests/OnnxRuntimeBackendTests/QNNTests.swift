import Foundation
import ModelBackend
import OnnxRuntimeBackend
import Tensors
import TestSupport
import Testing

@Suite("QNN's HTP backend", .serialized) struct QNNTests {
  private let runtime: OnnxRuntime
  private let libraries: QNNLibraries

  init() throws {
    runtime = try Runtime.open()
    libraries = try Runtime.qnn()
  }

  private func open(
    _ model: String, _ change: (inout QNNOptions) -> Void = { _ in }
  ) throws -> OnnxRuntimeSession {
    var options = QNNOptions()
    options.rules = NPURules(
      refusedOperators: ["Erf": "Erf alone is not taken"], openShapes: "a dynamic shape in the graph")
    change(&options)
    return try runtime.openQNNSession(model: try SmallModels.path(model), libraries: libraries, options)
  }

  @Test("takes a whole Q/DQ model, close to what the processor computes") func whole() throws {
    let session = try open("whole.onnx") { $0.requirement = .allNodes }
    #expect(session.placement.isWhole(on: .qnn))
    #expect(session.placement.nodeCount(of: .qnn) == 7)
    #expect(session.placement.leftovers.isEmpty)
    #expect(session.placement.shares.first?.operators["Gemm"] == 1)
    #expect(session.qairtVersion?.hasPrefix("v2.") == true)
    #if arch(x86_64)
      #expect(session.device == .emulatedNPU)
    #endif

    let feed = try TensorContent.wave()
    let found = try #require(try session.run(["x": feed], outputs: ["y"])["y"]?.floats)
    let reference = try runtime.openSession(model: try SmallModels.path("whole.onnx"))
    let expected = try #require(try reference.run(["x": feed], outputs: ["y"])["y"]?.floats)
    #expect(found.count == expected.count)
    // One step of the output's scale, 1/4096.
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) <= 1.01 / 4096) }
    #expect(Set(expected).count > 10)
  }

  @Test("names the nodes it does not take, with its words and ours") func leftovers() throws {
    let session = try open("erf.onnx")
    #expect(session.placement.nodeCount(of: .qnn) == 2)
    let leftover = try #require(session.placement.leftovers.first)
    #expect(session.placement.leftovers.count == 1)
    #expect(leftover.node == "error_function")
    #expect(leftover.operatorName == "Erf")
    #expect(leftover.provider == "CPUExecutionProvider")
    let reason = try #require(leftover.reason)
    #expect(reason.contains("Operators of type `Erf` are not supported"))
    #expect(reason.contains("Erf alone is not taken"))
  }

  @Test("fails with the list when a node stays behind and all are required") func required() throws {
    let error = try #require(throws: BackendError.self) {
      try open("erf.onnx") { $0.requirement = .allNodes }
    }
    #expect(error.reason == .unsupported)
    #expect(error.message.contains("and 1 of 3 stayed on the processor\n  Erf \"error_function\": "))
  }

  @Test("takes nothing of a model with an open shape, and says why") func dynamic() throws {
    for requirement in [QNNOptions.Requirement.allNodes, .any] {
      let error = try #require(throws: BackendError.self) {
        try open("dynamic.onnx") { $0.requirement = requirement }
      }
      #expect(error.reason == .unsupported)
      #expect(error.message.hasPrefix("QNN took none of the 7 nodes of "))
      #expect(error.message.contains("Gemm \"linear\""))
      #expect(error.message.contains("Cannot get shape"))
      #expect(error.message.contains("a dynamic shape in the graph"))
    }
  }

  @Test("takes the same model whole once the dimension is bound") func bound() throws {
    var options = QNNOptions()
    options.requirement = .allNodes
    let session = try runtime.openQNNSession(
      model: try SmallModels.path("dynamic.onnx"), libraries: libraries, options,
      settings: SessionSettings(dimensions: ["batch": 4]))
    #expect(session.placement.isWhole(on: .qnn))
  }

  @Test("leaves Q and DQ at the ends to the processor when it may") func boundary() throws {
    let session = try open("whole.onnx") { $0.boundary = .processor }
    #expect(session.placement.leftovers.map(\.node).sorted() == ["dequantize_output", "quantize_input"])
  }

  @Test("says where the backend should be") func wrongBackend() throws {
    let missing = try #require(throws: BackendError.self) {
      try open("whole.onnx") { $0.backendPath = "/nowhere/libQnnHtp.so" }
    }
    #expect(missing.reason == .missing)
    #expect(
      missing.message.hasPrefix("QNN's backend is not at /nowhere/libQnnHtp.so: there is no such file; "))
    let folder = try TemporaryFolder()
    let words = try folder.write("words".utf8, to: "libQnnHtp.so")
    #expect(
      try message { try open("whole.onnx") { $0.backendPath = words } }
        == "\(words) cannot be QNN's backend: it is no shared library (it begins with the text \"words\")")
  }

  @Test("does not fall back in silence from a library that is no backend") func otherBackend() throws {
    let other = runtime.path
    let error = try #require(throws: BackendError.self) {
      try open("whole.onnx") { $0.backendPath = other }
    }
    #expect(error.reason == .unsupported)
    #expect(error.message.hasPrefix("QNN took none of the 7 nodes of "))
    #expect(error.message.contains("the runtime says: "))
  }

  @Test("says what is wrong with a plugin") func wrongPlugin() throws {
    let model = try SmallModels.path("whole.onnx")
    let missing = QNNLibraries(plugin: "/nowhere/libonnxruntime_providers_qnn.so")
    #expect(throws: BackendError.self) { try runtime.openQNNSession(model: model, libraries: missing) }
    let folder = try TemporaryFolder()
    let words = try folder.write("words".utf8, to: SoughtLibrary.qnnPlugin.fileName)
    var options = QNNOptions()
    options.backendPath = libraries.htpBackend
    // A library of its own for this test: a process has one plugin.
    let other = try OnnxRuntime.open(runtime.path, newestAPI: 23)
    let text = try message {
      try other.openQNNSession(model: model, libraries: QNNLibraries(plugin: words), options)
    }
    #expect(
      text.hasPrefix("\(words) cannot be Qualcomm's QNN plugin for ONNX Runtime: it is no shared library"))
    let notPlugin = try message {
      try other.openQNNSession(model: model, libraries: QNNLibraries(plugin: libraries.htpBackend), options)
    }
    #expect(notPlugin.hasSuffix("it has no function CreateEpFactories"))
  }

  @Test("needs an ONNX Runtime that knows plugins") func oldRuntime() throws {
    let old = try OnnxRuntime.open(runtime.path, newestAPI: 20)
    #expect(old.apiVersion == 20)
    let text = try message {
      try old.openQNNSession(model: try SmallModels.path("whole.onnx"), libraries: libraries)
    }
    #expect(text.hasPrefix("QNN needs ONNX Runtime 1.22 or later, and "))
    let session = try old.openSession(model: try SmallModels.path("add.onnx"))
    #expect(session.placement.nodeCount(of: .cpu) == 1)
  }

  @Test("writes a compiled model that gives the same bits when it is opened") func context() throws {
    let folder = try TemporaryFolder()
    let feed = try TensorContent.wave()
    for binary in [QNNOptions.ContextFile.Binary.embedded, .besideIt] {
      let path = folder.path("\(binary).onnx")
      let first = try open("whole.onnx") { $0.contextFile = .init(path: path, binary: binary) }
      let expected = try #require(try first.run(["x": feed], outputs: ["y"])["y"])
      let second = try runtime.openQNNSession(model: path, libraries: libraries)
      #expect(second.placement.shares.first?.operators.keys.contains { $0.hasSuffix("EPContext") } == true)
      let found = try #require(try second.run(["x": feed], outputs: ["y"])["y"])
      #expect(found.bytes.copied() == expected.bytes.copied())
    }
    #expect(try folder.names() == ["besideIt.onnx", "besideIt_qnn.bin", "embedded.onnx"])
  }

  @Test("opens through an order of providers that remembers why QNN was passed over") func order() throws {
    var opener = ModelOpener(places: Runtime.places)
    opener.qnn.backendPath = "/nowhere/libQnnHtp.so"
    let model = try SmallModels.path("whole.onnx")
    let opened = try ProviderOrder([.qnn, .cpu]).open { provider throws(BackendError) in
      try opener.open(provider, model: model)
    }
    #expect(opened.provider == .cpu)
    #expect(opened.passedOver.first?.error.message.contains("/nowhere/libQnnHtp.so") == true)
  }

  @Test("names nodes and reasons from the log where the interface is older") func olderInterface()
    async throws
  {
    _ = try SmallModels.path("whole.onnx")
    await #expect(processExitsWith: .success) {
      let path = try #require(LibrarySearch(.onnxRuntime, Runtime.places).path)
      let runtime = try OnnxRuntime.open(path, newestAPI: 22)
      #expect(runtime.apiVersion == 22)
      let libraries = try Runtime.qnn()
      let model = try SmallModels.path("erf.onnx")
      let session = try runtime.openQNNSession(model: model, libraries: libraries)
      let leftover = try #require(session.placement.leftovers.first)
      #expect(leftover.node == "error_function")
      #expect(leftover.reason?.contains("Operators of type `Erf` are not supported") == true)
      #expect(session.placement.nodeCount(of: .cpu) == 1)

      var options = QNNOptions()
      options.requirement = .allNodes
      let error = try #require(throws: BackendError.self) {
        try runtime.openQNNSession(model: model, libraries: libraries, options)
      }
      #expect(error.reason == .unsupported)
      #expect(error.message.contains("and it refused 1\n  Erf \"error_function\": "))
      let whole = try runtime.openQNNSession(
        model: try SmallModels.path("whole.onnx"), libraries: libraries, options)
      #expect(whole.placement.isWhole(on: .qnn))
      let none = try #require(throws: BackendError.self) {
        try runtime.openQNNSession(model: try SmallModels.path("dynamic.onnx"), libraries: libraries)
      }
      #expect(none.message.contains("Gemm \"linear\""))
    }
  }

  @Test("prints nothing on standard output, in a process that has not loaded it yet") func cleanOutput()
    async throws
  {
    _ = try SmallModels.path("whole.onnx")
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
    ) {
      let runtime = try Runtime.open()
      let session = try runtime.openQNNSession(
        model: try SmallModels.path("whole.onnx"), libraries: try Runtime.qnn())
      _ = try session.run(["x": try TensorContent.wave()], outputs: ["y"])
    }
    let output = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    #expect(!output.contains("LIBNATIVE"), "\(output)")
    // What every emulation says would only hide what matters.
    let errors = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(!errors.contains("LIBNATIVE"), "\(errors)")
  }
}
