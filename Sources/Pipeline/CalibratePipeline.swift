import ByteIO
import CPUBackend
public import Calibration
import ModelBackend
public import ONNXGraph
import Synchronization
import Tensors

/// What is to be found out about a prepared model, and from which data.
public struct CalibrationRequest: Sendable {
  public var wishes: ObservationWishes
  public var data: CalibrationData
  /// Of the model that the ranges will belong to.
  public var modelDigest: String
  /// Of the sizes of channels that the model was equalized by; nil when it was not.
  public var basis: String?
  /// Ranges are read from here when the file is there, and written after every run.
  public var rangesPath: String?
  /// Nil is one per processor.
  public var threadCount: Int?
  /// Bytes that the Gram matrices of one sweep may take.
  public var gramByteLimit = 640 << 20

  public init(wishes: ObservationWishes, data: CalibrationData, modelDigest: String) {
    (self.wishes, self.data, self.modelDigest) = (wishes, data, modelDigest)
  }
}

/// What a calibration did.
public struct CalibrationOutcome: Sendable {
  public let table: RangeTable
  /// Runs that were computed now.
  public let runCount: Int
  /// Runs whose ranges were there.
  public let reusedCount: Int
  public let isSynthetic: Bool
  /// Sentences for whoever reads the result.
  public let notes: [String]
}

/// Ranges of a prepared model: each run streams its tensors past the observers, and none is kept.
public enum CalibratePipeline {
  /// Runs what is not in the table yet.
  ///
  /// - Parameters:
  ///   - graph: prepared, an encoder or any model that `data` has inputs for.
  ///   - observer: counts runs.
  public static func ranges(
    _ graph: ModelGraph, _ request: CalibrationRequest, observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> CalibrationOutcome {
    let wishes = request.wishes.withoutGram
    var (table, notes) = try known(request, wishes)
    let isDone = Set(table.clips.map(\.digest))
    let items = request.data.items.filter { !isDone.contains($0.clip.digest) }
    let reusedCount = table.clips.count
    observer.began(items.count)
    if !items.isEmpty {
      let session = try open(graph, request)
      let calibrator = Calibrator(wishes, threads: request.threadCount)
      calibrator.passed = WeightPages(of: graph).release
      for item in items {
        try run(session, calibrator, item, graph, request.data)
        let seen = calibrator.take()
        do throws(CalibrationError) { try calibrator.checkComplete(seen) } catch {
          throw PipelineError(error)
        }
        table.add(item.clip, seen)
        if let path = request.rangesPath { try CalibrationRangesFile.write(table, to: path) }
        observer.advanced(1)
      }
    }
    let isSynthetic = request.data.isSynthetic || table.clips.contains(where: \.isSynthetic)
    notes += request.data.notes
    if isSynthetic {
      notes.append(
        "the ranges come from made-up inputs, not from speech: a last resort, accuracy will suffer")
    }
    return CalibrationOutcome(
      table: table, runCount: items.count, reusedCount: reusedCount, isSynthetic: isSynthetic, notes: notes)
  }

  /// Makes the Gram matrices that are wished for, as many at a time as memory allows, and hands them out by the name
  /// of their tensor.
  ///
  /// - Parameters:
  ///   - widths: the extent of the last axis of each tensor, in the order in which they are computed.
  ///   - observer: counts runs.
  public static func grams(
    _ graph: ModelGraph, _ request: CalibrationRequest, widths: [(name: String, width: Int)],
    observer: WorkObserver = WorkObserver(), use: ([String: GramMatrix]) throws(PipelineError) -> Void
  ) throws(PipelineError) {
    let plan = GramPlan(
      widths.filter { request.wishes[$0.name].contains(.gram) }, byteLimit: request.gramByteLimit)
    observer.began(plan.sweeps.count * request.data.items.count)
    if plan.sweeps.isEmpty { return }
    let session = try open(graph, request)
    for names in plan.sweeps {
      let wishes = ObservationWishes(Dictionary(uniqueKeysWithValues: names.map { ($0, Observation.gram) }))
      let calibrator = Calibrator(wishes, threads: request.threadCount)
      calibrator.passed = WeightPages(of: graph).release
      for item in request.data.items {
        try run(session, calibrator, item, graph, request.data)
        observer.advanced(1)
      }
      do throws(CalibrationError) { try calibrator.checkComplete([:]) } catch { throw PipelineError(error) }
      try use(calibrator.grams)
    }
  }

  /// The inputs of runs that stand for all: the first window of the first recording, or a few of its decoder's steps.
  static func sampleRuns(
    _ graph: ModelGraph, _ data: CalibrationData, threadCount: Int
  ) throws(PipelineError) -> [[String: TensorContent]] {
    guard case .decoding(let path)? = data.items.first?.kind, let decoding = data.decoding else {
      return [try data.feeds(at: 0, for: graph)]
    }
    do {
      let session = try CPUBackend.session(graph, options: CPUBackend.Options(threadCount: threadCount))
      return try decoding.sampleSteps(path, decoder: graph, session)
    } catch let error as BackendError {
      throw PipelineError(error.message, ExitStatus(error.reason))
    } catch let error as PipelineError {
      throw error
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
  }

  /// The ranges of earlier runs that count, and what to say about them.
  private static func known(
    _ request: CalibrationRequest, _ wishes: ObservationWishes
  ) throws(PipelineError) -> (RangeTable, [String]) {
    var empty = RangeTable(modelDigest: request.modelDigest)
    empty.basis = request.basis
    guard let path = request.rangesPath else { return (empty, []) }
    let hasNoData = request.data.items.isEmpty
    if kind(ofPath: path) == .missing {
      if hasNoData {
        throw PipelineError(
          "\(path): these ranges, which are needed where there are no recordings, are not there; give --calibration",
          .inputOutput)
      }
      try ResultFile.checkPlace(path, option: "ranges")
      return (empty, [])
    }
    let table = try CalibrationRangesFile.read(path)
    do throws(CalibrationError) { try table.check(modelDigest: request.modelDigest, place: path) } catch {
      throw PipelineError(error)
    }
    guard table.clips.isEmpty || table.basis == request.basis else {
      guard hasNoData else {
        return (
          empty, ["the sizes of channels have changed since \(path) was measured, so all data is run again"]
        )
      }
      throw PipelineError(
        "\(path): the sizes of channels (\(path).channels) have changed since these ranges were measured; give "
          + "--calibration", .badInput)
    }
    if hasNoData {
      guard !table.clips.isEmpty, table.covers(wishes) else {
        throw PipelineError(
          "\(path): ranges of some tensors are missing, and there are no recordings to find them; give --calibration",
          .badInput)
      }
      return (table, [])
    }
    guard table.clips.isEmpty || table.covers(wishes) else {
      return (empty, ["\(path) lacks some of the tensors that are needed now, so all data is run again"])
    }
    let wanted = Set(request.data.clips.map(\.digest))
    let others = table.clips.filter { !wanted.contains($0.digest) }
    guard let first = others.first else { return (table, []) }
    let also = "\(path) also holds the ranges of \(first.name)"
    return (
      table, [also + (others.count > 1 ? " and \(others.count - 1) more, which count" : ", which counts")]
    )
  }

  private static func open(
    _ graph: ModelGraph, _ request: CalibrationRequest
  ) throws(PipelineError) -> CPUSession {
    do {
      return try CPUBackend.session(graph, options: CPUBackend.Options(threadCount: request.threadCount))
    } catch {
      throw PipelineError(error.message, ExitStatus(error.reason))
    }
  }

  private static func run(
    _ session: CPUSession, _ calibrator: Calibrator, _ item: CalibrationData.Item, _ graph: ModelGraph,
    _ data: CalibrationData
  ) throws(PipelineError) {
    if case .decoding(let path) = item.kind, let decoding = data.decoding {
      return try decoding.run(path, decoder: graph, session, calibrator)
    }
    let feeds = try data.feeds(item, for: graph)
    // Whoever wants one tensor only need not wait for the outputs, but a whole run is what the file says.
    do throws(CalibrationError) { try calibrator.run(session, feeds, clip: item.clip.name) } catch {
      throw PipelineError(error)
    }
  }
}

extension PipelineError {
  init(_ error: CalibrationError) {
    switch error.reason {
    case .values, .missing, .otherModel: self.init(error.message, .badInput)
    case .numbers: self.init(error.message, .badInput)
    case .backend(let reason): self.init(error.message, ExitStatus(reason))
    }
  }
}

/// The pages of mapped weights, which are given back to the system on the way through a model: those of a layer that
/// is done are not needed before the next run.
private final class WeightPages: Sendable {
  private let weights: [TensorBytes]
  private let passedByteCount = Atomic(0)
  /// Bytes of activations after which pages are given back.
  private static let interval = 256 << 20

  init(of graph: ModelGraph) {
    weights = graph.allInitializers.compactMap { value in
      guard let bytes = graph[value].initializer?.content?.bytes, case .mapped = bytes else { return nil }
      // Small ones are not worth a call.
      return bytes.byteCount > 1 << 20 ? bytes : nil
    }
  }

  /// Counts bytes that a run has computed.
  func release(after byteCount: Int) {
    let total = passedByteCount.wrappingAdd(byteCount, ordering: .relaxed).newValue
    guard total > Self.interval else { return }
    passedByteCount.store(0, ordering: .relaxed)
    for weight in weights { weight.release() }
  }
}
