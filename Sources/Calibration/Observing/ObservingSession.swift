public import ModelBackend
public import Tensors

/// A session whose every run is observed, so that an ordinary decoding loop calibrates a decoder by running it.
public final class ObservingSession: ModelSession {
  public let calibrator: Calibrator
  /// The name of the data in work, for errors.
  public var clip = ""
  private let session: any InspectableSession

  public init(_ session: any InspectableSession, _ calibrator: Calibrator) {
    (self.session, self.calibrator) = (session, calibrator)
  }

  public var inputs: [TensorSignature] { session.inputs }
  public var outputs: [TensorSignature] { session.outputs }
  public var placement: Placement { session.placement }

  public func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] {
    try calibrator.observedRun(session, feeds, clip: clip.isEmpty ? "a run" : clip, outputs: outputs)
  }
}
