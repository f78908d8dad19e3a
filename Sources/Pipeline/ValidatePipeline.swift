import ByteIO
import Dispatch
import Synchronization
public import Validation

/// The journey of `whisperq validate`: find models → check structure → run → compare → judge.
public enum ValidatePipeline {
  /// Validates all models; what is wrong with one does not keep the others from it.
  ///
  /// - Returns: a report for each model, in the order of the request.
  public static func run(
    _ request: ValidateRequest, observer: ValidateObserver = ValidateObserver()
  ) throws(PipelineError) -> [ModelReport] {
    try request.backends.validated()
    let feeds = try request.inputs.request()
    let targets = try ValidateTargets(request).models(request.models)
    observer.began(targets.count)
    let jobs = max(1, jobCount(request, targets))
    let context = ModelValidation.Context(
      gate: TimingGate(workerCount: jobs), comparesSomething: targets.contains { $0.referencePath != nil },
      observer: observer)
    let next = Atomic(0)
    let reports = Mutex([ModelReport?](repeating: nil, count: targets.count))
    DispatchQueue.concurrentPerform(iterations: jobs) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < targets.count else { return }
        var validation = ModelValidation(targets[index], request, feeds, context)
        validation.run()
        let report = validation.report
        reports.withLock { $0[index] = report }
        observer.finished(report)
      }
    }
    return reports.withLock { $0.compactMap { $0 } }
  }

  /// The status of a whole set: that of the first model with the gravest kind of failure, so that one damaged file is
  /// not hidden behind a limit that was missed.
  public static func status(of reports: [ModelReport]) -> ExitStatus {
    ExitStatus.gravest(of: reports.compactMap(\.status))
  }

  /// How many models fit beside each other: a session takes about twice its files, and a reference as much again.
  static func jobCount(_ request: ValidateRequest, _ targets: [ValidateTarget]) -> Int {
    if let count = request.jobCount { return max(1, min(count, targets.count)) }
    if request.depth == .structure { return max(1, min(Machine.threadCount, targets.count)) }
    let largest =
      targets.map { 2 * (byteCount(near: $0.path) + ($0.referencePath.map(byteCount) ?? 0)) }.max() ?? 0
    let room = MachineMemory.availableByteCount / max(1, largest + (300 << 20))
    return max(1, min(room, Machine.threadCount, targets.count))
  }

  /// The bytes of a model's file and of what lies beside it under its name.
  private static func byteCount(near path: String) -> Int {
    let home = folder(of: path)
    let stem =
      fileName(of: path).hasSuffix(".onnx") ? String(fileName(of: path).dropLast(5)) : fileName(of: path)
    guard let names = try? names(inFolder: home.isEmpty ? "." : home) else { return 0 }
    return names.filter { $0.hasPrefix(stem) }.reduce(0) { sum, name in
      sum + ((try? MappedFile(path: joined(home, name)))?.byteCount ?? 0)
    }
  }
}

extension ExitStatus {
  /// The status of several things that went wrong; `done` when there are none.
  public static func gravest(of found: [ExitStatus]) -> ExitStatus {
    let order: [ExitStatus] = [.internal, .inputOutput, .badInput, .unsupported, .usage, .verdict]
    return order.first(where: found.contains) ?? .done
  }
}
