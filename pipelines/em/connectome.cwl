cwlVersion: v1.2
class: Workflow
label: em.connectome
doc: From an electron micrograph to neurons, synapses and the connectome.
$namespaces: {voxome: "https://voxome.org/cwl#"}
requirements:
  SubworkflowFeatureRequirement: {}
hints:
  voxome:Run:
    report: em.connectome
    scorer: em.connectome
    results: {neurons_table: neurons, connectome_graph: connectome}
inputs:
  raw: {type: [File, string], doc: "Electron micrograph (z, y, x) with dark membranes."}
  membranes: {type: ["null", File, string], doc: "Membrane map, uint8, 255 = membrane, used instead of the network's."}
  mask: {type: ["null", File, string], doc: "0 where there are no data."}
  no_data: {type: "double?", doc: "Grey value that means no data."}
  detect_no_data: {type: "boolean?", doc: "Whether nearly constant areas of a section have no data."}
  model: {type: "string?", doc: "Name of a network, or path of its model card."}
  fragment_threshold: {type: "int?", doc: "Voxels of the membrane map with at least this value are membrane."}
  fragment_depth_nm: {type: "double?", doc: "Depth of the valleys that certain membrane forms in the watershed landscape, in nm."}
  threshold: {type: "double?", doc: "Minimum affinity (0 to 1) at which two fragments are merged."}
  method: {type: "string?", doc: "Agglomeration method: mean, waterz or mutex."}
  quantile: {type: "double?", doc: "Quantile of the affinities (0 to 1), for the method waterz."}
  min_volume_um3: {type: "double?", doc: "Smaller neurons, in cubic micrometres, are merged into the neighbour with the highest affinity."}
  holes: {type: "boolean?", doc: "Whether objects enclosed by one neuron are merged into it."}
  synapse_threshold: {type: "int?", doc: "Minimum score (0 to 255) of a voxel of a synapse."}
  min_synapse_volume_um3: {type: "double?", doc: "Minimum volume of a synapse, in cubic micrometres."}
  min_synapse_peak: {type: "int?", doc: "Minimum peak score (0 to 255) of a synapse."}
  min_area_um2: {type: "double?", doc: "Minimum contact area of two partners, in square micrometres."}
  min_asymmetry: {type: "double?", doc: "Minimum evidence (0 to 1) for the direction of a synapse."}
  store: {type: string, doc: "Folder (absolute path) or address for the results of the steps; set by voxome run."}
  block: {type: "string?", doc: "Block shape in voxels, Z,Y,X; --block of voxome run overrides it."}
  workers: {type: "int?", doc: "Number of processes; set by voxome run."}
steps:
  predict:
    run: membranes.cwl
    in:
      raw: raw
      membranes: membranes
      mask: mask
      no_data: no_data
      detect_no_data: detect_no_data
      model: model
      store: store
      block: block
      workers: workers
    out: [affinities, membranes, histogram, tissue, sections]
  segment:
    run: neurons.cwl
    in:
      membranes: predict/membranes
      affinities: predict/affinities
      tissue: predict/tissue
      fragment_threshold: fragment_threshold
      fragment_depth_nm: fragment_depth_nm
      threshold: threshold
      method: method
      quantile: quantile
      min_volume_um3: min_volume_um3
      holes: holes
      store: store
      block: block
      workers: workers
    out: [neurons, objects]
  detect:
    run: synapses.cwl
    in:
      raw: raw
      membranes: predict/membranes
      histogram: predict/histogram
      tissue: predict/tissue
      synapse_threshold: synapse_threshold
      store: store
      block: block
      workers: workers
    out: [synapses, score]
  associate:
    run: ../tools/em.associate.cwl
    in:
      synapses: detect/synapses
      neurons: segment/neurons
      score: detect/score
      store: store
      block: block
      workers: workers
    out: [contacts, faces, objects]
  graph:
    run: ../tools/common.graph.cwl
    in:
      contacts: associate/contacts
      faces: associate/faces
      objects: associate/objects
      neurons: segment/objects
      min_synapse_volume_um3: min_synapse_volume_um3
      min_synapse_peak: min_synapse_peak
      min_area_um2: min_area_um2
      min_asymmetry: min_asymmetry
      store: store
    out: [synapses, connectome, neurons, graph]
  results:
    run: results.cwl
    in:
      raw: raw
      affinities: predict/affinities
      membranes: predict/membranes
      sections: predict/sections
      neurons: segment/neurons
      synapses: graph/synapses
      connectome: graph/connectome
      neurons_table: graph/neurons
      connectome_graph: graph/graph
    out: [affinities, membranes, sections, neurons, synapses, connectome, neurons_table, connectome_graph, report]
outputs:
  affinities: {type: [File, Directory], outputSource: results/affinities}
  membranes: {type: [File, Directory], outputSource: results/membranes}
  sections: {type: File, outputSource: results/sections}
  neurons: {type: [File, Directory], outputSource: results/neurons}
  synapses: {type: File, outputSource: results/synapses}
  connectome: {type: File, outputSource: results/connectome}
  neurons_table: {type: File, outputSource: results/neurons_table}
  connectome_graph: {type: File, outputSource: results/connectome_graph}
  report: {type: File, outputSource: results/report}
