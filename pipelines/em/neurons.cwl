cwlVersion: v1.2
class: Workflow
label: em.neurons
doc: >
  Neurons from membranes and affinities: basins of a watershed, joined over blocks to fragments, which are grouped by
  their affinities. The result is the same for any blocks.
inputs:
  membranes: {type: [File, string], doc: "Membrane map, uint8, 255 = membrane."}
  affinities: {type: [File, string], doc: "Affinities to the next voxel along z, y and x, uint8, 255 = one neuron."}
  fragment_threshold: {type: "int?", doc: "From this value of the membrane map on a voxel is membrane."}
  fragment_depth: {type: "double?", doc: "How much lower sure membrane lies than sure inside, in voxels."}
  threshold: {type: "double?", doc: "Affinity, 0 to 1, from which two fragments are one neuron."}
  method: {type: "string?", doc: "How fragments are grouped: mean, waterz or mutex."}
  quantile: {type: "double?", doc: "Which quantile, for the method waterz."}
  min_voxels: {type: "int?", doc: "Smaller neurons are given to the neighbour they hold to best."}
  holes: {type: "boolean?", doc: "Whether what lies inside one neuron is given to it."}
  store: string
  block: string?
  workers: int?
steps:
  fragments:
    run: ../tools/em.fragments.cwl
    in:
      membranes: membranes
      threshold: fragment_threshold
      depth: fragment_depth
      store: store
      block: block
      workers: workers
    out: [basins]
  join:
    run: ../tools/em.fragments_join.cwl
    in: {basins: fragments/basins, store: store, block: block, workers: workers}
    out: [lookup]
  apply:
    run: ../tools/em.fragments_apply.cwl
    in:
      basins: fragments/basins
      lookup: join/lookup
      store: store
      block: block
      workers: workers
    out: [fragments]
  edges:
    run: ../tools/em.edges.cwl
    in:
      fragments: apply/fragments
      affinities: affinities
      store: store
      block: block
      workers: workers
    out: [edges, nodes]
  agglomerate:
    run: ../tools/em.agglomerate.cwl
    in:
      edges: edges/edges
      nodes: edges/nodes
      threshold: threshold
      method: method
      quantile: quantile
      min_voxels: min_voxels
      holes: holes
      store: store
    out: [lookup, objects]
  relabel:
    run: ../tools/common.relabel.cwl
    in:
      labels: apply/fragments
      lookup: agglomerate/lookup
      store: store
      block: block
      workers: workers
    out: [result]
outputs:
  neurons: {type: File, outputSource: relabel/result}
  objects: {type: File, outputSource: agglomerate/objects}
  fragment_ids: {type: File, outputSource: apply/fragments}
