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
  ///
  /// A library that the user named must be right: what is wrong with it is `failed`, not `missing`, so that no other
  /// provider takes its place.
  public func open(_ provider: Provider, model path: String) throws(BackendError) -> OnnxRuntimeSession {
    switch provider {
    case .embedded:
      throw BackendError(.unsupported, "the embedded engine is no provider of ONNX Runtime")
    case .cpu:
      return try runtime().openSession(model: path, settings)
    case .qnn:
      // The plugin first: without it there is no use in the runtime.
      let libraries = try meant(.qnnPlugin) { () throws(BackendError) in try QNNLibraries(places) }
      let runtime = try runtime()
      do throws(BackendError) {
        return try runtime.openQNNSession(model: path, libraries: libraries, qnn, settings: settings)
      } catch  where error.reason == .missing {
        // The plugin, or what must lie beside it.
        return try meant(.qnnPlugin) { () throws(BackendError) in throw error }
      }
    }
  }

  private func runtime() throws(BackendError) -> OnnxRuntime {
    try meant(.onnxRuntime) { () throws(BackendError) in try OnnxRuntime.open(places) }
  }

  private func meant<Result>(
    _ sought: SoughtLibrary, _ body: () throws(BackendError) -> Result
  ) throws(BackendError) -> Result {
    do throws(BackendError) { return try body() } catch {
      throw LibrarySearch.isNamed(sought, places) ? BackendError(.failed, error.message) : error
    }
  }
}
