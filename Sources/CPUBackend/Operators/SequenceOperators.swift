import ModelBackend
import Tensors

extension Call {
  fileprivate func sequence(_ index: Int) throws(BackendError) -> [RunTensor] {
    guard index < inputs.count, case .sequence(let items)? = inputs[index] else {
      throw fail("input \(index) is no sequence")
    }
    return items
  }

  fileprivate func place(_ index: Int, _ count: Int, allowsEnd: Bool) throws(BackendError) -> Int {
    guard let value = try integers(index).first else { throw fail("the position is empty") }
    let wrapped = value < 0 ? value &+ count : value
    guard wrapped >= 0, wrapped < count || (allowsEnd && wrapped == count) else {
      throw fail("position \(value) is out of range for \(count) tensors")
    }
    return wrapped
  }
}

extension OperatorTable {
  static var sequenceEntries: [OperatorEntry] {
    [
      OperatorEntry("SequenceConstruct", versions: 11...newestVersion) { _ in
        .values { (call) throws(BackendError) in [.sequence(try call.tensors())] }
      },
      OperatorEntry("SequenceEmpty", versions: 11...newestVersion) { _ in .values { _ in [.sequence([])] } },
      OperatorEntry("SequenceLength", versions: 11...newestVersion) { _ in
        .values { (call) throws(BackendError) in
          [.tensor(try call.int64s([try call.sequence(0).count], []))]
        }
      },
      OperatorEntry("SequenceAt", versions: 11...newestVersion) { _ in
        .values { (call) throws(BackendError) in
          let items = try call.sequence(0)
          return [.tensor(items[try call.place(1, items.count, allowsEnd: false)])]
        }
      },
      OperatorEntry("SequenceInsert", versions: 11...newestVersion) { _ in
        .values { (call) throws(BackendError) in
          var items = try call.sequence(0)
          let place = call.inputs.count > 2 ? try call.place(2, items.count, allowsEnd: true) : items.count
          items.insert(try call.raw(1), at: place)
          return [.sequence(items)]
        }
      },
      OperatorEntry("SequenceErase", versions: 11...newestVersion) { _ in
        .values { (call) throws(BackendError) in
          var items = try call.sequence(0)
          guard !items.isEmpty else { throw call.fail("the sequence is empty") }
          items.remove(
            at: call.inputs.count > 1 ? try call.place(1, items.count, allowsEnd: false) : items.count - 1)
          return [.sequence(items)]
        }
      },
      OperatorEntry("ConcatFromSequence", versions: 11...newestVersion) { (node) throws(BackendError) in
        let (axis, isNew) = (node.integer("axis", default: 0), node.flag("new_axis"))
        return .values { (call) throws(BackendError) in
          var items = try call.sequence(0)
          guard let first = items.first else { throw call.fail("the sequence is empty") }
          let place = try call.axis(axis, rank: first.rank + (isNew ? 1 : 0))
          if isNew {
            var whole: [RunTensor] = []
            for item in items {
              var dimensions = item.dimensions
              dimensions.insert(1, at: place)
              whole.append(item.reshaped(try call.shape(dimensions)))
            }
            items = whole
          }
          return [.tensor(try call.concatenated(items, axis: place))]
        }
      },
      OperatorEntry("Optional", versions: 15...newestVersion) { _ in
        .values { call in
          guard let value = call.inputs.first, let value else { return [.nothing] }
          return [value]
        }
      },
      OperatorEntry("OptionalHasElement", versions: 15...newestVersion) { _ in
        .values { (call) throws(BackendError) in
          let has: UInt8
          switch call.inputs.first {
          case .some(.some(.nothing)), .some(.none), .none: has = 0
          default: has = 1
          }
          return [
            .tensor(
              try call.make(.bool, try call.shape([]), as: UInt8.self) { (out) throws(BackendError) in
                out[0] = has
              })
          ]
        }
      },
      OperatorEntry("OptionalGetElement", versions: 15...newestVersion) { _ in
        .values { (call) throws(BackendError) in
          guard let value = call.inputs.first, let value else { throw call.fail("input 0 is missing") }
          if case .nothing = value { throw call.fail("the optional is empty") }
          return [value]
        }
      },
    ]
  }
}
