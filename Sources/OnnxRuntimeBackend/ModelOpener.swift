public import ModelBackend

/// Opens models with ONNX Runtime as a user asked for it: where libraries are, and how they treat a model.
///
/// Goes well with `ProviderOrder.open`, which falls through to the next provider and remembers why.
public struct ModelOpener: Sendable {
  public var places: LibraryPlaces
  public var settings: SessionSettings
  public var qnn: QNNOptions

  public init(
    places: LibraryPlaces = LibraryPlaces(), settings: SessionSettings = SessionSettings(),
    qnn: QNNOptions = QNNOptions()
  ) {
    self.places = places
    self.settings = settings
    self.qnn = qnn
  }

  /// Opens the model at `path` with ONNX Runtime's provider; the embedded engine is not ours to open.
  public func open(_ provider: Provider, model path: String) throws(BackendError) -> OnnxRuntimeSession {
    switch provider {
    case .embedded:
      throw BackendError(.unsupported, "the embedded engine is no provider of ONNX Runtime")
    case .cpu:
      return try OnnxRuntime.open(places).openSession(model: path, settings)
    case .qnn:
      // The plugin first: without it there is no use in the runtime.
      let libraries = try QNNLibraries(places)
      return try OnnxRuntime.open(places).openQNNSession(
        model: path, libraries: libraries, qnn, settings: settings)
    }
  }
}
