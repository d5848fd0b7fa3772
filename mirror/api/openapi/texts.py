"""What the OpenAPI documents say of types and fields: ``kubectl explain`` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

WELL_KNOWN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Time": "An instant as RFC 3339 text in UTC, in whole seconds.",
        "FieldsV1": "A set of fields as a JSON object: f:<name> for a field, k:<keys> for an element of a list.",
        "RawExtension": "A JSON object of which this API does not look at the inside.",
        "Patch": "A change to an object, in the form that the content type of the request names.",
        "WatchEvent": "One event of a watch: what happened, and the object to which it happened.",
    }
)

TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Image": "A container image, cluster scoped. Its name is the digest of its manifest.",
        "ImageList": "Images.",
        "ImageSignature": "A signature of an image, with what is known of who made it.",
        "ImageStream": (
            "A named collection of tags. Each tag says where an image comes from (spec) and remembers to which images "
            "it has pointed (status)."
        ),
        "ImageStreamImage": "An image as a member of an image stream.",
        "ImageStreamImport": (
            "A request to look images up in registries, and to put them into an image stream if that is wanted. It is "
            "answered with what was found and is not stored."
        ),
        "ImageStreamImportSpec": "Which images to look up, and whether to keep them.",
        "ImageStreamImportStatus": "What became of an import.",
        "ImageStreamList": "Image streams.",
        "ImageStreamSpec": "What an image stream is meant to hold.",
        "ImageStreamStatus": "What an image stream holds.",
        "ImageStreamTag": "A tag of an image stream together with the image that it points to.",
        "ImageStreamTagList": "Image stream tags.",
        "ImageTagList": "Image tags.",
        "ImageImportSpec": "An image that is to be imported, and the tag that it is to get.",
        "RepositoryImportSpec": "A repository of which tags are to be imported.",
        "RepositoryImportStatus": "What became of the import of a repository.",
        "ImageLookupPolicy": "Whether other resources of the namespace may use the stream by its name alone.",
        "TagReferencePolicy": "Under which pull spec users of a tag get the image.",
        "SignatureCondition": "A judgement on a signature at a point in time.",
        "SignatureIssuer": "Who issued the certificate or key behind a signature.",
        "SignatureSubject": "Who made a signature.",
        "TagEventCondition": "The state of a tag: whether its latest import failed, and why.",
        "SecretList": "Secrets.",
        "NamespaceList": "Namespaces.",
        "NamespaceSpec": "What has to be done before a namespace goes.",
        "NamespaceStatus": "How a namespace is.",
        "ProjectList": "Projects.",
        "ImageConfigList": "Image configurations.",
        "ImageConfigSpec": "What is wanted.",
        "ImageConfigStatus": "What is so.",
        "ImageDigestMirrorSetList": "Image digest mirror sets.",
        "ImageTagMirrorSetList": "Image tag mirror sets.",
        "ImageContentSourcePolicyList": "Image content source policies.",
        "DigestMirrorSpec": "Sources and their mirrors.",
        "TagMirrorSpec": "Sources and their mirrors.",
        "ContentSourceSpec": "Sources and their mirrors.",
        "ConfigMapReference": "Names a ConfigMap.",
        "SelfSubjectAccessReviewSpec": "What is asked.",
        "SubjectAccessReviewStatus": "The answer.",
        "SelfSubjectRulesReviewSpec": "What is asked.",
        "SubjectRulesReviewStatus": "The answer.",
        "SelfSubjectReviewStatus": "The answer.",
        "ResourceRule": "What may be done with resources.",
        "NonResourceRule": "What may be done at paths that are no resources.",
        "UserInfo": "A user.",
        "ObjectMeta": "What all stored objects have: names, version, labels and annotations.",
        "ListMeta": "What lists have: the version that they are of, and how to get the rest of them.",
        "ManagedFieldsEntry": "Which fields of an object somebody has set, and how.",
        "OwnerReference": "An object that owns this one, in the same namespace or cluster scoped.",
        "Preconditions": "What must be true of an object before it is deleted.",
        "DeleteOptions": "How an object is to be deleted.",
        "Status": "The outcome of a call that does not answer with an object.",
        "StatusCause": "One reason of a failure.",
        "StatusDetails": "What a Status is about, and what caused it.",
        "ObjectReference": "Names another object.",
        "LocalObjectReference": "Names another object of the same namespace.",
    }
)

_KIND: Final = "The kind of this object, in CamelCase. The server fills it in by the path of the request."
_VERSION: Final = "The group and version that the object is written in. The server converts what is not in its own."
_METADATA: Final = "Names, version, labels and annotations of the object."
_IMPORT_POLICY: Final = "How the image is imported."
_REFERENCE_POLICY: Final = "Under which pull spec users of the tag get the image."
_INCLUDE_MANIFEST: Final = (
    "Whether manifest and configuration are part of the answer. They are shown only if nothing is stored."
)
_PUBLIC_KEY: Final = "An identifier of the public key that checks the signature."

FIELDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "*": {"kind": _KIND, "apiVersion": _VERSION, "metadata": _METADATA, "items": "The objects of the list."},
        "Image": {
            "dockerImageReference": "The pull spec of the image, by digest.",
            "dockerImageMetadata": "What the configuration of the image says: command, environment, ports, labels.",
            "dockerImageMetadataVersion": "The version of dockerImageMetadata, 1.0 if it is left out.",
            "dockerImageManifest": "The text of the manifest, where it is kept.",
            "dockerImageLayers": "The layers, the base layer first. A manifest list has none.",
            "signatures": "All known signatures of the image.",
            "dockerImageSignatures": "The signatures of a schema 1 manifest.",
            "dockerImageManifestMediaType": "The media type of the manifest.",
            "dockerImageConfig": "The text of the configuration, where it is kept.",
            "dockerImageManifests": "The images that a manifest list leads to, each for its platform.",
        },
        "ImageLayer": {
            "name": "The digest of the layer.",
            "size": "Its size in bytes.",
            "mediaType": "Its media type.",
        },
        "ImageManifest": {
            "digest": "The digest of the manifest.",
            "mediaType": "Its media type.",
            "manifestSize": "Its size in bytes.",
            "architecture": "The architecture that it is for, such as amd64 or arm64.",
            "os": "The operating system that it is for.",
            "variant": "The variant of the architecture, such as v7 of arm.",
        },
        "ImageSignature": {
            "type": "The kind of the signature, such as AtomicImageV1.",
            "content": "The signature itself.",
            "conditions": "Judgements on the signature, the latest of each type.",
            "imageIdentity": "The image that the signature says it is for.",
            "signedClaims": "Other claims of the signature.",
            "created": "When the signature says it was made.",
            "issuedBy": "Who issued the certificate or key behind it.",
            "issuedTo": "Who made it.",
        },
        "SignatureCondition": {
            "type": "What is judged: Trusted or ForImage.",
            "status": "True, False or Unknown.",
            "lastProbeTime": "When it was last looked at.",
            "lastTransitionTime": "When the status last changed.",
            "reason": "Why it changed, in one word.",
            "message": "Why it changed, for people.",
        },
        "SignatureIssuer": {"organization": "The organization.", "commonName": "The common name."},
        "SignatureSubject": {
            "organization": "The organization.",
            "commonName": "The common name.",
            "publicKeyID": _PUBLIC_KEY,
        },
        "TagImportPolicy": {
            "insecure": "Lets the registry have a certificate that nobody vouches for, or none at all.",
            "scheduled": "Imports the tag again and again, to follow what the registry has under it.",
            "importMode": (
                "What is imported of a manifest list. Legacy: only the image for one platform. PreserveOriginal: the "
                "list with all its images. Legacy if it is left out."
            ),
        },
        "TagReferencePolicy": {
            "type": (
                "Source: the pull spec of the registry that the image comes from. Local: that of the internal "
                "registry, which passes it on."
            ),
        },
        "ImageLookupPolicy": {
            "local": "Names of this stream stand for its images wherever objects of the namespace name an image.",
        },
        "TagReference": {
            "name": "The name of the tag.",
            "annotations": "Annotations that the image gets where it is seen through this tag.",
            "from": (
                "What the tag points to: a DockerImage in some registry, an ImageStreamTag that it follows, or an "
                "ImageStreamImage, which stays the same."
            ),
            "reference": "The tag is never imported: it only stands for a pull spec.",
            "generation": (
                "Counts the changes of the tag: it takes the generation of the stream when it changes. While it is "
                "greater than that of the latest event in status, an import is due. Set it to 0 to ask for one."
            ),
            "importPolicy": _IMPORT_POLICY,
            "referencePolicy": _REFERENCE_POLICY,
        },
        "ImageStreamSpec": {
            "lookupPolicy": "Whether the stream may be used by its name alone.",
            "dockerImageRepository": "A repository of which all tags are imported. Tags with a source are better.",
            "tags": "The tags, and where each comes from.",
        },
        "TagEvent": {
            "created": "When the tag was pointed to this image.",
            "dockerImageReference": "The pull spec of the image.",
            "image": "The name of the image, which is its digest.",
            "generation": "The generation of the spec tag that led to this.",
        },
        "TagEventCondition": {
            "type": "ImportSuccess is the only one.",
            "status": "True, False or Unknown.",
            "lastTransitionTime": "When it became what it is.",
            "reason": "Why, in one word.",
            "message": "Why, for people.",
            "generation": "The generation of the spec tag that this is about.",
        },
        "NamedTagEventList": {
            "tag": "The name of the tag.",
            "items": "The images that it has pointed to, the newest first.",
            "conditions": "What is known of the latest import of the tag, if it failed.",
        },
        "ImageStreamStatus": {
            "dockerImageRepository": "Where the images of the stream can be pulled within the cluster.",
            "publicDockerImageRepository": "Where they can be pulled from outside, if they can.",
            "tags": "The tags, and the history of each.",
        },
        "ImageStream": {
            "spec": "What the stream is meant to hold.",
            "status": "What it holds, as the server knows it.",
        },
        "ImageStreamTag": {
            "tag": "The spec tag, or null if images are only pushed to it.",
            "generation": "The generation of the latest event. If that of the spec tag is greater, an import is due.",
            "lookupPolicy": "Whether the stream may be used by its name alone.",
            "conditions": "What is known of the latest import of the tag, if it failed.",
            "image": "The image that the tag points to.",
        },
        "ImageStreamImage": {"image": "The image."},
        "ImageTag": {
            "spec": "The spec tag, or null if images are only pushed to it.",
            "status": "The history of the tag, or null if it has none.",
            "image": "The image that the tag points to; null in lists, and if there is none.",
        },
        "ImageStreamMapping": {"image": "The image.", "tag": "The tag that is to point to it."},
        "ImageStreamLayers": {
            "blobs": "All blobs that images of the stream refer to, by digest.",
            "images": "What each image of the stream refers to, by the digest of its manifest.",
        },
        "ImageLayerData": {"size": "The size in bytes, or null if it is not known.", "mediaType": "The media type."},
        "ImageBlobReferences": {
            "imageMissing": "The stream names the image, but there is no such image.",
            "layers": "The layers, the base layer first, or null for a manifest list.",
            "config": "The digest of the configuration, or null if there is none.",
            "manifests": "The manifests that a manifest list leads to.",
        },
        "ImageImportSpec": {
            "from": "The image, by tag or digest. Only DockerImage is possible.",
            "to": "The tag of the stream that gets the image. Without it the tag of the source is taken.",
            "importPolicy": _IMPORT_POLICY,
            "referencePolicy": _REFERENCE_POLICY,
            "includeManifest": _INCLUDE_MANIFEST,
        },
        "RepositoryImportSpec": {
            "from": "The repository, without a tag. Only DockerImage is possible.",
            "importPolicy": _IMPORT_POLICY,
            "referencePolicy": _REFERENCE_POLICY,
            "includeManifest": _INCLUDE_MANIFEST,
        },
        "ImageStreamImportSpec": {
            "import": "Whether the images go into the stream. Without it they are only looked up.",
            "repository": "A repository of which all tags are imported, as far as the limit of the cluster goes.",
            "images": "Single images.",
        },
        "ImageImportStatus": {
            "status": "Whether the image was found, and if not, why.",
            "image": "The image, if it was found.",
            "tag": "The tag that was looked up, if it was one.",
            "manifests": "The images that a manifest list leads to, if they were imported, too.",
        },
        "RepositoryImportStatus": {
            "status": "Whether all images were found, and if not, why.",
            "images": "What became of each image.",
            "additionalTags": "Tags beyond the limit, which were not imported.",
        },
        "ImageStreamImportStatus": {
            "import": "The stream as it is after the import.",
            "repository": "What became of the repository.",
            "images": "What became of each image, in the order of the spec.",
        },
        "ImageStreamImport": {"spec": "Which images to look up.", "status": "What became of them."},
        "Secret": {
            "immutable": "Whether the data can no longer be changed.",
            "data": "The data, each value in base64.",
            "stringData": "Data that is not in base64 yet. It goes into data when the secret is written.",
            "type": "What the data is, such as kubernetes.io/dockerconfigjson.",
        },
        "ObjectMeta": {
            "name": "The name, unique among objects of this kind in their namespace.",
            "generateName": "The beginning of a name that the server completes if no name is given.",
            "namespace": "The namespace, for kinds that have one.",
            "selfLink": "Not used any more.",
            "uid": "Identifies the object among all that ever were.",
            "resourceVersion": "Changes with every write of the object. Clients compare it for equality only.",
            "generation": "Counts the changes of what is wanted of the object.",
            "creationTimestamp": "When the object was created.",
            "deletionTimestamp": "When the object is to go; it waits for its finalizers.",
            "deletionGracePeriodSeconds": "How many seconds it has left by then.",
            "labels": "Keys and values to select objects by.",
            "annotations": "Keys and values for tools to keep something in.",
            "ownerReferences": "Objects that this one goes with.",
            "finalizers": "What has to be done before the object goes. Each is removed by whoever does it.",
            "managedFields": "Which fields were set by whom.",
        },
        "ListMeta": {
            "selfLink": "Not used any more.",
            "resourceVersion": "The version that the list is of, to begin a watch with.",
            "continue": "Asks for the rest of the list, if there is one.",
            "remainingItemCount": "How many objects follow, where that is known.",
        },
        "ManagedFieldsEntry": {
            "manager": "Who set the fields.",
            "operation": "Apply or Update.",
            "apiVersion": "The version that the fields are written in.",
            "time": "When that was last changed.",
            "fieldsType": "FieldsV1 is the only one.",
            "fieldsV1": "The fields.",
            "subresource": "The subresource that they were set through.",
        },
        "OwnerReference": {
            "name": "The name of the owner.",
            "uid": "Its uid.",
            "controller": "Whether the owner looks after this object.",
            "blockOwnerDeletion": "Whether the owner has to wait for this object when it is deleted in the foreground.",
        },
        "Preconditions": {"uid": "The uid that it must have.", "resourceVersion": "The version that it must be at."},
        "DeleteOptions": {
            "gracePeriodSeconds": "How many seconds the object is left.",
            "preconditions": "What must be true of the object.",
            "orphanDependents": "Not used any more: see propagationPolicy.",
            "propagationPolicy": "What becomes of objects that it owns: Orphan, Background or Foreground.",
            "dryRun": "All: nothing is deleted.",
            "ignoreStoreReadErrorWithClusterBreakingPotential": "Deletes even what cannot be read.",
        },
        "Status": {
            "status": "Success or Failure.",
            "message": "What happened, for people.",
            "reason": "What happened, in one word.",
            "details": "What it happened to, and why.",
            "code": "The HTTP status.",
        },
        "StatusDetails": {
            "name": "The name of the object.",
            "group": "The group of the resource.",
            "kind": "The resource.",
            "uid": "The uid of the object.",
            "causes": "Every single reason.",
            "retryAfterSeconds": "When it is worth another try.",
        },
        "StatusCause": {
            "reason": "The reason in one word.",
            "message": "The reason for people.",
            "field": "The field that it is about.",
        },
        "ObjectReference": {
            "kind": "The kind of the object.",
            "namespace": "Its namespace.",
            "name": "Its name.",
            "uid": "Its uid.",
            "apiVersion": "The group and version of its kind.",
            "resourceVersion": "The version that is meant.",
            "fieldPath": "The part of the object that is meant.",
        },
        "LocalObjectReference": {"name": "The name of the object."},
        "Namespace": {"spec": "What has to be done before it goes.", "status": "How it is."},
        "Project": {"spec": "What has to be done before it goes.", "status": "How it is."},
        "NamespaceSpec": {"finalizers": "Who has to do something before it goes."},
        "NamespaceStatus": {"phase": "Active or Terminating."},
        "ProjectRequest": {"displayName": "The name for people.", "description": "What it is for."},
        "ImageConfig": {"spec": "What is wanted.", "status": "What is so."},
        "ImageConfigSpec": {
            "allowedRegistriesForImport": "Registries that users may import from; none: all.",
            "externalRegistryHostnames": "Names of the internal registry as it is known outside.",
            "additionalTrustedCA": "A ConfigMap of certificates to trust when images are pulled.",
            "registrySources": "How registries are treated.",
            "imageStreamImportMode": "The import mode of tags that have none: Legacy or PreserveOriginal.",
        },
        "ImageConfigStatus": {
            "internalRegistryHostname": "The name of the internal registry, with its port.",
            "externalRegistryHostnames": "Names of the internal registry as it is known outside.",
            "imageStreamImportMode": "The import mode that is in effect.",
        },
        "RegistryLocation": {
            "domainName": "The host, with its port where that is not 443 (or 80); * and ? stand for other characters.",
            "insecure": "Whether it may be spoken to without TLS that can be trusted.",
        },
        "ConfigMapReference": {"name": "The name of the ConfigMap."},
        "RegistrySources": {
            "insecureRegistries": "Registries that may be spoken to without TLS that can be trusted.",
            "blockedRegistries": "Registries that nothing is pulled from.",
            "allowedRegistries": "The only registries that containers are pulled from; imports do not look at it.",
            "containerRuntimeSearchRegistries": "Registries for names without one; imports do not look at it.",
        },
        "ImageDigestMirrorSet": {"spec": "Sources and their mirrors."},
        "ImageTagMirrorSet": {"spec": "Sources and their mirrors."},
        "ImageContentSourcePolicy": {"spec": "Sources and their mirrors."},
        "DigestMirrorSpec": {"imageDigestMirrors": "Sources and their mirrors."},
        "TagMirrorSpec": {"imageTagMirrors": "Sources and their mirrors."},
        "ContentSourceSpec": {"repositoryDigestMirrors": "Sources and their mirrors."},
        "Mirrors": {
            "source": "A registry, a namespace of it or a repository, or *. and a domain.",
            "mirrors": "Where to pull from instead, best first.",
            "mirrorSourcePolicy": "What becomes of the source: AllowContactingSource or NeverContactSource.",
        },
        "RepositoryDigestMirrors": {
            "source": "A registry, a namespace of it or a repository.",
            "mirrors": "Where to pull from instead, best first.",
        },
        "SelfSubjectAccessReview": {"spec": "What is asked.", "status": "The answer."},
        "SelfSubjectAccessReviewSpec": {
            "resourceAttributes": "Something that is to be done with a resource.",
            "nonResourceAttributes": "Something that is to be done at a path.",
        },
        "ResourceAttributes": {
            "namespace": "The namespace; none: all, or the resource is in none.",
            "verb": "What is to be done.",
            "group": "The group of the resource.",
            "version": "The version of the group.",
            "resource": "The resource.",
            "subresource": "The subresource.",
            "name": "The name of the object; none: all.",
        },
        "NonResourceAttributes": {"path": "The path.", "verb": "What is to be done."},
        "SubjectAccessReviewStatus": {
            "allowed": "Whether it is allowed.",
            "denied": "Whether it is forbidden by a rule.",
            "reason": "Why.",
            "evaluationError": "What went wrong while that was found out.",
        },
        "SelfSubjectRulesReview": {"spec": "What is asked.", "status": "The answer."},
        "SelfSubjectRulesReviewSpec": {"namespace": "The namespace."},
        "SubjectRulesReviewStatus": {
            "resourceRules": "What may be done with resources.",
            "nonResourceRules": "What may be done at paths that are no resources.",
            "incomplete": "Whether there may be more.",
        },
        "ResourceRule": {
            "verbs": "What may be done.",
            "apiGroups": "The groups.",
            "resources": "The resources.",
            "resourceNames": "The names; none: all.",
        },
        "NonResourceRule": {"verbs": "What may be done.", "nonResourceURLs": "The paths."},
        "SelfSubjectReview": {"status": "The answer."},
        "SelfSubjectReviewStatus": {"userInfo": "Who it is."},
        "UserInfo": {"username": "The name.", "uid": "The uid.", "groups": "The groups."},
        "User": {
            "fullName": "The name for people.",
            "identities": "How the user is known elsewhere.",
            "groups": "The groups of the user.",
        },
        "APIResource": {
            "name": "The plural, by which the resource is asked for.",
            "singularName": "The singular.",
            "namespaced": "Whether its objects are in namespaces.",
            "group": "The group of its kind, where that is another.",
            "version": "The version of its kind, where that is another.",
            "verbs": "What can be done with it.",
            "shortNames": "Short names.",
            "categories": "Categories that it belongs to, such as all.",
            "storageVersionHash": "Changes when the version in which objects are stored changes.",
        },
        "APIResourceList": {"groupVersion": "The group and version.", "resources": "The resources."},
    }
)
