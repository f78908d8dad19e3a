import Dispatch
import Kernels
public import ONNXFile
import QuantPlan
import Synchronization
import Tensors

/// Runs the arithmetic of all weights on a few threads and writes the results into the output.
///
/// Memory: the tiles in work, plus the integers of one weight per thread for block layouts. Weights above
/// `sharedByteCount` are worked on by all threads together, the others one per thread.
public struct JobRunner: Sendable {
  public let threadCount: Int
  /// Weights of at least this many bytes are shared among the threads.
  package var sharedByteCount: Int
  /// Called with the bytes of source that were just finished, from any thread.
  private let progress: @Sendable (Int) -> Void

  public init(threadCount: Int, progress: @escaping @Sendable (Int) -> Void) {
    self.threadCount = max(1, threadCount)
    self.progress = progress
    // Pages of the weights in work stay resident: about 96 MiB together, however many threads there are.
    sharedByteCount = max(4 << 20, (96 << 20) / self.threadCount)
  }

  /// Executes all jobs and copies everything else; outcomes come in the order of the jobs.
  public func run(_ jobs: [WeightJob], into output: ModelOutput) throws(QuantizeError) -> [WeightOutcome] {
    let scratches = (0..<threadCount).map { _ in Scratch() }
    let outcomes = Mutex([WeightOutcome?](repeating: nil, count: jobs.count))
    let order = jobs.indices.sorted { (jobs[$0].byteCount, $1) > (jobs[$1].byteCount, $0) }
    let large = order.filter { jobs[$0].byteCount >= sharedByteCount }
    let small = order.filter { jobs[$0].byteCount < sharedByteCount }
    for index in large {
      let outcome = try execution(jobs[index], output, Workers(scratches)).run()
      outcomes.withLock { $0[index] = outcome }
      progress(jobs[index].byteCount)
    }
    let copies = output.copyJobs.sorted { $0.bytes.byteCount > $1.bytes.byteCount }
    try Workers(scratches).forEach(small.count + copies.count) { (item, scratch) throws(QuantizeError) in
      if item < small.count {
        let index = small[item]
        let outcome = try execution(jobs[index], output, Workers([scratch])).run()
        outcomes.withLock { $0[index] = outcome }
        progress(jobs[index].byteCount)
      } else {
        let job = copies[item - small.count]
        do throws(ONNXFileError) { try output.run(job) } catch {
          throw QuantizeError(.file(error), path: output.path)
        }
        progress(job.bytes.byteCount)
      }
    }
    return outcomes.withLock { $0.compactMap { $0 } }
  }

  /// Executes a job whose rounding looks at the inputs of its layer.
  public func run(
    _ job: WeightJob, input: LayerInput, into output: ModelOutput
  ) throws(QuantizeError) -> WeightOutcome {
    let outcome = try RoundedExecution(job: job, input: input, output: output, threadCount: threadCount).run()
    progress(job.byteCount)
    return outcome
  }

  private func execution(_ job: WeightJob, _ output: ModelOutput, _ workers: Workers) -> any JobExecution {
    switch job.layout {
    case .half: return HalfExecution(job: job, output: output, workers: workers)
    case .levels(let parameters, let type):
      return LevelExecution(job: job, parameters: parameters, type: type, output: output, workers: workers)
    case .weightShape, .matMulNBits: break
    }
    if job.rounding != nil && job.treatment.granularity == .block {
      return RoundedExecution(job: job, input: nil, output: output, threadCount: workers.count)
    }
    if job.treatment.granularity == .block {
      return BlockExecution(job: job, output: output, workers: workers)
    }
    return ChannelExecution(job: job, output: output, workers: workers)
  }
}

/// One way to do the arithmetic of a weight.
protocol JobExecution {
  func run() throws(QuantizeError) -> WeightOutcome
}

/// A few threads that share out numbered pieces of work; each has its own scratch.
struct Workers: @unchecked Sendable {
  // Scratches are handed out one per thread by `forEach`, so no two threads see the same one.
  private let scratches: [Scratch]

  init(_ scratches: [Scratch]) { self.scratches = scratches }

  var count: Int { scratches.count }

  /// Calls `body` for 0 ..< `pieceCount`, each once; the first error ends it and is thrown.
  func forEach(
    _ pieceCount: Int, _ body: @Sendable (Int, Scratch) throws(QuantizeError) -> Void
  ) throws(QuantizeError) {
    if scratches.count == 1 || pieceCount <= 1 {
      for piece in 0..<pieceCount { try body(piece, scratches[0]) }
      return
    }
    let next = Atomic(0)
    let failure = Mutex<(piece: Int, error: QuantizeError)?>(nil)
    DispatchQueue.concurrentPerform(iterations: min(scratches.count, pieceCount)) { worker in
      while true {
        let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
        if piece >= pieceCount || failure.withLock({ $0 != nil }) { return }
        do throws(QuantizeError) {
          try body(piece, scratches[worker])
        } catch {
          failure.withLock { if $0 == nil || $0!.piece > piece { $0 = (piece, error) } }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}
